"""A disk of a few megabytes for a server's data, in a mount namespace of its own, and what fills it up."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from interop.peers.server import Server

MEGABYTES = 12
UNSHARE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
MOUNT = 'mkdir -p "$0" && mount -t tmpfs -o size=%dm tmpfs "$0" && exec "$@"'


def small_disk(folder: Path) -> tuple[str, ...]:
    """``inside`` of a ``Server`` whose folder this is."""
    return (*UNSHARE, "sh", "-c", MOUNT % MEGABYTES, str(folder / "data"))


@contextlib.contextmanager
def full(server: Server) -> Iterator[None]:
    """Nothing more fits on its disk while the block lasts."""
    ballast = Path(f"/proc/{server.process.pid}/root{server.folder}/data/ballast")
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
            for size in (1 << 16, 4096, 1):
                with contextlib.suppress(OSError):
                    while out.write(bytes(size)):
                        pass
        yield
    finally:
        ballast.unlink(missing_ok=True)
