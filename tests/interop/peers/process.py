"""A program that a test started: its output kept, ended by its id."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from interop.peers.warm import STABLE, Forked


class Process:
    """Runs a command while the block lasts.

    Args:
        command: Program and arguments.
        log: File for its standard output and error.
        env: Added to our environment.
        cwd: Folder to run in.

    Attributes:
        log: Where its output goes.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._command = [str(word) for word in command]
        # A program of ours would compile all of itself at each start without its caches.
        self._env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._env |= env or {}
        self._cwd = cwd
        self._process: asyncio.subprocess.Process | Forked | None = None
        self.log = log

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it (again); output is appended to the log."""
        self._process = await self._start()

    async def _start(self) -> asyncio.subprocess.Process | Forked:
        with self.log.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.returncode is None

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def type(self, line: str) -> None:
        """A line on its standard input."""
        assert self._process is not None, "it was not started"
        assert self._process.stdin is not None, "it was asked for"
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def wait(self, timeout_s: float = 30.0) -> int:
        """Its exit status. Raises TimeoutError."""
        assert self._process is not None, "it was not started"
        return await asyncio.wait_for(self._process.wait(), timeout_s)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        await self._end(signal.SIGKILL, 5.0)

    async def stop(self, timeout_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL for one that does not listen."""
        with contextlib.suppress(TimeoutError):
            await self._end(signal.SIGTERM, timeout_s)
            return
        await self.kill()

    async def stop_at_once(self) -> None:
        """As ``stop``, for a server of ours: it drains after the first SIGTERM, and ends at the second.

        One in which nobody is any more ends at the first; it is not waited for long, as most have somebody.
        """
        for patience in (0.1, *[0.5] * 9):
            with contextlib.suppress(TimeoutError):
                await self._end(signal.SIGTERM, patience)
                return
        await self.kill()

    async def _end(self, number: signal.Signals, timeout_s: float) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        await asyncio.wait_for(process.wait(), timeout_s)


class OurCommand(Process):
    """``ringback`` with these words, forked from a process that has read its modules already."""

    async def _start(self) -> Forked:
        return await STABLE.start(self._command, self.log, self._env, self._cwd)
