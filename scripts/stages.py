"""Stages of a build or test run: a line with the time each took, their output kept, nothing done twice.

Standard library only: these scripts run before anything is installed.
"""

import contextlib
import hashlib
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringback"
STATE = ROOT / ".build"
HEARTBEAT_S = 30.0
MARK = "▸"


class Failed(Exception):
    """A stage went wrong; the message is one sentence for people."""


def say(text: str) -> None:
    """One progress line, at once."""
    print(f"{MARK} {text}", flush=True)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage, with a sign of life every half minute, and say how long it took."""
    begun = time.monotonic()
    over = threading.Event()

    def heartbeat() -> None:
        while not over.wait(HEARTBEAT_S):
            say(f"{name} … {time.monotonic() - begun:.0f} s so far")

    threading.Thread(target=heartbeat, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    say(f"{name}: {time.monotonic() - begun:.1f} s")


def run(command: Sequence[str | Path], log: str, *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a command with its output kept in ``.build/logs/<log>.log``, shown only when it fails.

    Returns:
        What it wrote to standard output and error, together.

    Raises:
        Failed: It could not be started or did not end with 0.
    """
    path = STATE / "logs" / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with path.open("w+b") as out:
        try:
            code = subprocess.run(words, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
        except OSError as error:
            raise Failed(f"{words[0]} could not be started: {error}") from error
        out.seek(0)
        text = out.read().decode(errors="replace")
    if code != 0:
        print(text[-20_000:], file=sys.stderr)
        raise Failed(f"`{shlex.join(words)}` ended with {code}; all of its output is in {path.relative_to(ROOT)}.")
    return text


def fingerprint(paths: Iterable[Path], *extra: str) -> str:
    """A digest of the files' names and contents, folders taken whole, and of ``extra``."""
    digest = hashlib.sha256("\0".join(extra).encode())
    for path in sorted(set(_files(paths))):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = [name for name in folders if name not in {"node_modules", "dist", "target", "__pycache__"}]
                yield from (Path(folder) / name for name in names if not name.endswith(".tsbuildinfo"))
        elif path.exists():
            yield path


class Stamp:
    """Remembers of a stage that it was done for exactly these inputs.

    Args:
        path: Where to remember it: inside what the stage makes, so that both go together.
        wanted: Fingerprint of the inputs.
    """

    def __init__(self, path: Path, wanted: str) -> None:
        self._path = path
        self._wanted = wanted

    def fresh(self) -> bool:
        """Whether the stage has nothing to do."""
        return self._path.exists() and self._path.read_text() == self._wanted

    def done(self) -> None:
        """Remember it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._wanted)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a failure into its sentence and exit status 1, and an interruption into 130."""
    try:
        yield
    except Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
