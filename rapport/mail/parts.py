"""What stands around every mail: the layout of its HTML, and the signature of its text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, meta, nodes


@cache
def environment(*, html: bool) -> Environment:
    """Where templates of HTML are rendered, or of plain text."""
    return Environment(
        loader=PackageLoader("rapport", "emails"),
        autoescape=html,  # noqa: S701 - text parts are not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def syntax(environment: Environment, *templates: str) -> Iterator[nodes.Template]:
    """The syntax of templates, and of all that they extend, include and import."""
    seen: set[str] = set()
    ahead = list(templates)
    while ahead:
        if (path := ahead.pop()) in seen:
            continue
        seen.add(path)
        assert environment.loader is not None
        tree = environment.parse(environment.loader.get_source(environment, path)[0])
        yield tree
        ahead += [other for other in meta.find_referenced_templates(tree) if other is not None]
