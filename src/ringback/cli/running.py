"""Running a server in this process: logs, signals, draining, and one sentence when it cannot start."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

from ringback import logs
from ringback.app import Application
from ringback.cli.fail import fail
from ringback.config import ConfigError, Settings
from ringback.rest.ports import PretendNetwork
from ringback.store.errors import StoreError


async def serve(
    settings: Settings,
    on_ready: Callable[[Application, asyncio.Event], Awaitable[None]],
    pretend: PretendNetwork | None = None,
) -> None:
    """Run a server until SIGTERM or SIGINT, then drain; a second signal ends it at once.

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
        await _until_drained(app, stop, at_once)
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
