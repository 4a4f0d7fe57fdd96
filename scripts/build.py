"""``make build``: from a fresh clone to ``.venv/bin/ringback``; a few stats and hashes when nothing changed."""

import fcntl
import json
import os
import shutil
import sys
import time
from pathlib import Path

import toolchain
from stages import ROOT, STATE, Failed, Stamp, fingerprint, one_sentence, run, say, stage
from toolchain import TARGET, VENV, environment, uv

WEB = ROOT / "web"
PAGES = ROOT / "src" / "ringback" / "web"


def main() -> None:
    begun = time.monotonic()
    toolchain.check_machine()
    python_environment()
    core()
    pages()
    say(f"built in {time.monotonic() - begun:.1f} s; the command is .venv/bin/ringback")


def python_environment() -> None:
    """The virtual environment: locked dependencies, checked by hash, and ``ringback`` itself as it lies here."""
    lock = ROOT / "requirements.lock"
    stamp = Stamp(VENV / "ringback.stamp", fingerprint([lock, ROOT / "pyproject.toml"], toolchain.python(), str(ROOT)))
    if stamp.fresh() and (VENV / "bin" / "ringback").exists():
        return
    with stage("Python environment"):
        if not (VENV / "bin" / "python").exists():
            uv("venv", "--quiet", "--allow-existing", "--python", toolchain.python(), VENV, log="venv")
        uv("pip", "install", "--compile-bytecode", "--require-hashes", "-r", lock, log="python")
        # Its build needs come from the tools' lock, by hash as well.
        uv("pip", "install", "--build-constraints", toolchain.TOOLS_LOCK, "--no-deps", "-e", ROOT, log="ringback")
        stamp.done()


def developer_environment() -> None:
    """What tests and checks need besides."""
    lock = ROOT / "requirements-dev.lock"
    stamp = Stamp(VENV / "ringback-dev.stamp", fingerprint([lock]))
    if not stamp.fresh():
        with stage("Python packages of tests and checks"):
            uv("pip", "install", "--compile-bytecode", "--require-hashes", "-r", lock, log="python-dev")
            stamp.done()


def core() -> None:
    """``ringback_core``: cargo decides what to compile; the result is copied into the environment.

    Clones share cargo's folder, and cargo gives a library of theirs no name of its own: the one that lies there may be
    another clone's although cargo calls ours fresh. So the maker is noted, under a lock.
    """
    TARGET.mkdir(parents=True, exist_ok=True)
    with stage("compiled core"), (TARGET / "ringback-core.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = TARGET / "release" / "ringback-core.made-by"
        library = TARGET / "release" / _library_name()
        if not (library.exists() and note.exists() and note.read_text() == _maker(library)):
            run(["cargo", "clean", "--quiet", "--release", "-p", "ringback-python"], "core-clean", env=environment())
        _forget_slow_codec()
        built, pixels = _cargo_build()
        note.write_text(_maker(built))
        _copy(built, _site_packages() / "ringback_core.abi3.so")
        _copy(pixels, VENV / "bin" / "ringback-pixels")


def _forget_slow_codec() -> None:
    """OpenH264 is built with its assembler code where nasm is. cargo does not notice that one came later."""
    note = TARGET / "release" / "openh264.built-with"
    note.parent.mkdir(parents=True, exist_ok=True)
    now = "nasm" if shutil.which("nasm") else "C++ alone"
    if note.exists() and note.read_text() == "C++ alone" and now == "nasm":
        run(["cargo", "clean", "--quiet", "--release", "-p", "openh264-sys2"], "codec-clean", env=environment())
    if not (note.exists() and note.read_text() == "nasm"):
        note.write_text(now)


def _library_name() -> str:
    return "libringback_core.dylib" if sys.platform == "darwin" else "libringback_core.so"


def _maker(library: Path) -> str:
    about = library.stat()
    return f"{ROOT} {about.st_mtime_ns} {about.st_size}"


def _cargo_build() -> tuple[Path, Path]:
    """The library that Python loads, and the program that makes pictures."""
    command = ["cargo", "build", "--locked", "--release", "-p", "ringback-python", "-p", "ringback-pixels"]
    command.append("--message-format=json-render-diagnostics")
    library = program = None
    for line in run(command, "core", env=environment()).splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") != "compiler-artifact":
            continue
        if message["target"]["name"] == "ringback_core":
            library = Path(message["filenames"][0])
        elif message["target"]["name"] == "ringback-pixels" and message.get("executable"):
            program = Path(message["executable"])
    if library is None or program is None:
        raise Failed("cargo built the core but did not say where it is; see .build/logs/core.log.")
    return library, program


def _site_packages() -> Path:
    folders = list((VENV / "lib").glob("python3*/site-packages"))
    if len(folders) != 1:
        raise Failed("The environment .venv is not whole: remove it and build again.")
    return folders[0]


def _copy(source: Path, target: Path) -> None:
    about = source.stat()
    if target.exists() and (target.stat().st_mtime_ns, target.stat().st_size) == (about.st_mtime_ns, about.st_size):
        return
    # Beside it and renamed: a running server keeps the file it has mapped.
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy2(source, beside)
    beside.replace(target)


def node_packages() -> None:
    """The web workspace's locked packages."""
    lock = WEB / "package-lock.json"
    stamp = Stamp(WEB / "node_modules" / ".ringback.stamp", fingerprint([lock]))
    if not stamp.fresh():
        with stage("web packages"):
            run(["npm", "ci", "--no-audit", "--no-fund"], "web-packages", env=environment(), cwd=WEB)
            stamp.done()


def pages() -> None:
    """The web pages, into ``src/ringback/web`` where the server finds them."""
    stamp = Stamp(STATE / "pages.stamp", fingerprint([WEB]))
    if stamp.fresh() and (PAGES / "index.html").exists():
        return
    node_packages()
    with stage("web pages"):
        run(["npm", "run", "build"], "web", env=environment(), cwd=WEB)
        if not (PAGES / "index.html").exists():
            raise Failed("The web build made no src/ringback/web/index.html; see .build/logs/web.log.")
        stamp.done()


if __name__ == "__main__":
    with one_sentence():
        main()
