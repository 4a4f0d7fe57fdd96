"""Our commands that start at once: forked from a process that has read our modules, as each does first by itself.

Run as a program it is that process: it takes orders on the socket it is given, each one packet of JSON and answered by
one. When the other end is gone, it ends what it forked, and itself.
"""

import asyncio
import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv" / "bin" / "python"
LARGEST = 200_000
"""Octets of an order; an environment is most of it."""

MODULES = ["ringback.cli.main", "ringback.cli.serve", "ringback.cli.dev", "ringback.cli.phone", "ringback.app"]
MODULES += ["ringback.http_requests"]  # what a server reads later


class Typed:
    """The standard input of a command that was forked."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> None:
        """What is typed; it is read sooner than a pipe is full."""
        os.write(self._pipe, data)

    async def drain(self) -> None:
        """It has been written."""

    def close(self) -> None:
        """There is nobody left to read it."""
        os.close(self._pipe)


class Forked:
    """A command that was forked, with what is asked of ``asyncio.subprocess.Process``.

    Attributes:
        pid: Its process id.
        stdin: Its standard input.
    """

    def __init__(self, stable: "Stable", pid: int, stdin: Typed) -> None:
        self.pid = pid
        self.stdin = stdin
        self._stable = stable
        self._watch = os.pidfd_open(pid)
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        """Its exit status once it has ended, negative for a signal."""
        if self._code is None and select.select([self._watch], [], [], 0)[0]:
            self._code = self._stable.order({"ended": self.pid})
            os.close(self._watch)
            self.stdin.close()
        return self._code

    async def wait(self) -> int:
        """Wait until it has ended."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        if self.returncode is None:
            loop.add_reader(self._watch, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._watch)
        code = self.returncode
        assert code is not None, "it is readable since it ended"
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal; one that has ended is left alone."""
        if self.returncode is None:
            signal.pidfd_send_signal(self._watch, number)


class Stable:
    """The process of this test process that commands are forked from; started when the first one is wanted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    async def start(self, words: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path | None) -> Forked:
        """``ringback`` with these words as arguments; what it writes is appended to the log."""
        order = {"words": words, "log": str(log), "env": dict(env), "cwd": str(cwd or Path.cwd())}
        read, write = os.pipe()
        # Not on the loop: the first time takes seconds.
        return Forked(self, await asyncio.to_thread(self.order, order, read), Typed(write))

    def order(self, wanted: Mapping[str, Any], stdin: int | None = None) -> int:
        """Give an order and return its answer; an open file that is to be its standard input goes with it."""
        with self._lock:
            if self._socket is None:
                self._socket = self._begin()
            socket.send_fds(self._socket, [json.dumps(wanted).encode()], [] if stdin is None else [stdin])
            if stdin is not None:
                os.close(stdin)
            answer = self._socket.recv(LARGEST)
        assert answer, "the process that commands are forked from has ended"
        return int(json.loads(answer))

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
        with theirs:
            command = [PYTHON, __file__, str(theirs.fileno())]
            env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=env)
        atexit.register(process.wait)
        atexit.register(ours.close)
        return ours


STABLE = Stable()


def _take_orders(orders: socket.socket) -> dict[str, Any] | None:
    """Until there is nobody to give one: ``None``. In a process that was forked: what it is to become."""
    commands = set[int]()
    while True:
        packet, files, _, _ = socket.recv_fds(orders, LARGEST, 1)
        if not packet:
            break
        wanted: dict[str, Any] = json.loads(packet)
        if ended := wanted.get("ended"):
            # Whoever asks has seen that it ended; until then its id is nobody else's.
            answer = os.waitstatus_to_exitcode(os.waitpid(ended, 0)[1])
            commands.discard(ended)
        else:
            answer = os.fork()
            if answer == 0:
                os.dup2(files[0], 0)
                os.close(files[0])
                return wanted
            commands.add(answer)
        for file in files:
            os.close(file)
        orders.send(json.dumps(answer).encode())
    for command in commands:
        with contextlib.suppress(ProcessLookupError):
            os.kill(command, signal.SIGKILL)
    return None


def _become(wanted: Mapping[str, Any]) -> None:
    """Be ``ringback``, as if started by its command."""
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    sys.argv = [str(PYTHON.with_name("ringback")), *wanted["words"]]
    from ringback.cli.main import main

    main()


def _main() -> None:
    for name in MODULES:
        __import__(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        wanted = _take_orders(orders)
    if wanted is not None:
        _become(wanted)


if __name__ == "__main__":
    # Run as a program, this folder is looked through first; our commands are not to find their modules here.
    sys.path.pop(0)
    _main()
