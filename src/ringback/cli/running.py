"""Running a server in this process: logs, signals, draining, and one sentence when it cannot start."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

import typer

from ringback import logs
from ringback.app import Application
from ringback.cli.fail import fail
from ringback.config import ConfigError, Settings
from ringback.rest.ports import PretendNetwork
from ringback.store.errors import StoreError

AT_ONCE_S = 0.3
"""Seconds within which a server that nothing holds up has ended."""


async def serve(
    settings: Settings,
    on_ready: Callable[[Application, asyncio.Event], Awaitable[None]],
    pretend: PretendNetwork | None = None,
) -> None:
    """Run a server until SIGTERM or SIGINT, then drain, saying what is waited for; a second signal ends it at once.

    SIGHUP reads certificates again.

    Args:
        on_ready: Called once it takes calls, with the event that ends it.
        pretend: See ``Application``.
    """
    logs.configure(settings.log_format, settings.log_level)
    stop, at_once = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        (at_once if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    app = Application(settings, pretend)
    try:
        await app.start()
    except (ConfigError, StoreError) as error:
        fail(" ".join(str(error).split()))
    loop.add_signal_handler(signal.SIGHUP, app.reload_certificates)
    # What lives as long as the process is not looked at again and again.
    gc.collect()
    gc.freeze()
    try:
        await on_ready(app, stop)
        said = asyncio.create_task(_say_what_is_waited_for(app, stop))
        await _until_drained(app, stop, at_once)
        said.cancel()
    finally:
        await app.stop()


async def _until_drained(app: Application, stop: asyncio.Event, at_once: asyncio.Event) -> None:
    served = asyncio.create_task(app.serve_until(stop))
    hurry = asyncio.create_task(at_once.wait())
    done, _ = await asyncio.wait({served, hurry}, return_when=asyncio.FIRST_COMPLETED)
    for task in {served, hurry} - done:
        task.cancel()
    await asyncio.gather(served, hurry, return_exceptions=True)
    if served in done:
        await served


async def _say_what_is_waited_for(app: Application, stop: asyncio.Event) -> None:
    """Whoever ends a server by hand is told why it does not end at once."""
    await stop.wait()
    await asyncio.sleep(AT_ONCE_S)
    if calls := app.telephony.calls:
        calls_end = "a call ends" if calls == 1 else f"{calls} calls end"
        limit = app.settings.limits.drain_seconds
        typer.echo(f"Waiting until {calls_end}, {limit:g} s at most. Ctrl-C again ends it at once.", err=True)
