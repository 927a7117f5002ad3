"""`rapport review …`"""

from __future__ import annotations

import typer

from starters.cli import review_needs

app = typer.Typer(help="Tech reviews: what needs one, and what they decide.", no_args_is_help=True)
review_needs.add_to(app)
