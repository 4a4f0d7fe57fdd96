"""``ringback serve``: the server."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ringback.app import Application
from ringback.cli.loop import read_settings, run
from ringback.cli.running import serve as serve_until_signal

app = typer.Typer()

Host = Annotated[str | None, typer.Option(help="Address to listen on for HTTP (RINGBACK_HTTP__HOST).")]
Port = Annotated[int | None, typer.Option(help="Port for HTTP (RINGBACK_HTTP__PORT).")]
SipHost = Annotated[str | None, typer.Option(help="Address to listen on for SIP (RINGBACK_SIP__HOST).")]
SipPort = Annotated[int | None, typer.Option(help="Port for SIP (RINGBACK_SIP__PORT).")]
DataDir = Annotated[Path | None, typer.Option(help="Folder for the database and secrets (RINGBACK_DATA_DIR).")]
LogFormat = Annotated[str | None, typer.Option(help="text or json (RINGBACK_LOG_FORMAT).")]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    sip_host: SipHost = None,
    sip_port: SipPort = None,
    data_dir: DataDir = None,
    log_format: LogFormat = None,
) -> None:
    """Run the server until SIGTERM.

    Everything is set in ringback.toml or in RINGBACK_… variables; the flags are the common ones of these.
    """
    flags = {
        "http": {"host": host, "port": port},
        "sip": {"host": sip_host, "port": sip_port},
        "data_dir": data_dir,
        "log_format": log_format,
    }
    run(serve_until_signal(read_settings(flags), _say_ready))


async def _say_ready(server: Application, stop: asyncio.Event) -> None:
    typer.echo(f"Ringback is ready: {server.addresses.public_url}, SIP {server.addresses.sip_domain}")
