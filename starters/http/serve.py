"""HTTP alone, beside any number of workers: `python -m starters.http.serve`."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any

import typer
import uvicorn
from starlette.types import ASGIApp

from rapport.mailing import mail_settings
from rapport.model.base import UserError
from rapport.storage.faults import DatabaseFault
from rapport.temporal import run_to_end
from starters import flows
from starters.http.app import create_app
from starters.installation import services


def listening(app: ASGIApp, host: str, port: int, **more: Any) -> uvicorn.Config:
    """How uvicorn listens. What a proxy says of its client counts where `FORWARDED_ALLOW_IPS` names the proxy.

    By itself uvicorn believes whatever comes from the loopback, which is everybody on this machine.
    """
    proxies = os.environ.get("FORWARDED_ALLOW_IPS", "").strip()
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        **more,
    )


async def serve(host: str, port: int) -> None:
    """Serve pages, API and webhooks until told to stop.

    Raises:
        UserError: A setting is missing, or Temporal does not answer.
        DatabaseFault: The database does not answer, or is of another version.
    """
    async with services(None) as parts:
        mail_settings(parts.settings)
        flows.load()
        await uvicorn.Server(listening(create_app(parts), host, port)).serve()


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
