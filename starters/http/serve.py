"""HTTP alone, beside any number of workers: `python -m starters.http.serve`."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
import uvicorn

from rapport.model.base import UserError
from rapport.storage.faults import DatabaseFault
from rapport.temporal import run_to_end
from starters.http.app import create_app
from starters.installation import services
from worker import mail_settings


async def serve(host: str, port: int) -> None:
    """Serve pages, API and webhooks until told to stop.

    Raises:
        UserError: A setting is missing, or Temporal does not answer.
        DatabaseFault: The database does not answer, or is of another version.
    """
    async with services(None) as parts:
        mail_settings(parts.settings)
        config = uvicorn.Config(create_app(parts), host=host, port=port, access_log=False, server_header=False)
        await uvicorn.Server(config).serve()


def main(
    host: Annotated[
        str, typer.Option(help="Where to listen; the loopback until a proxy stands before it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.", min=1, max=65535)] = 8700,
) -> None:
    """Serve Rapport's pages, API and webhooks."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel("WARNING")
    try:
        run_to_end(serve(host, port))
    except (UserError, DatabaseFault) as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    typer.run(main)
