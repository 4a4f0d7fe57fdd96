"""The tools a build needs: those of the machine are checked, uv (and cmake where it is absent) come from PyPI."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stages import CACHE, ROOT, Failed, Stamp, fingerprint, run, stage

NODE_AT_LEAST = (20, 19)
INSTALL_RUST = "curl https://sh.rustup.rs -sSf | sh -s -- -y"
INSTALL_NODE = "curl -fsSL https://deb.nodesource.com/setup_22.x | sudo bash - && sudo apt-get install -y nodejs"
INSTALL_CC = "sudo apt-get install build-essential"
INSTALL_VENV = "sudo apt-get install python3-venv"

VENV = ROOT / ".venv"
TOOLS_LOCK = ROOT / "scripts" / "tools.lock"
RUSTUP_BIN = Path.home() / ".cargo" / "bin"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target")


def check_machine() -> None:
    """Raises Failed with the command that installs the first tool that is missing or too old."""
    if shutil.which("cargo") is None and RUSTUP_BIN.is_dir():
        # Freshly installed by rustup, in a shell that has not noticed yet.
        os.environ["PATH"] += f"{os.pathsep}{RUSTUP_BIN}"
    rust = _rust_at_least()
    _need("cargo", "Cargo (Rust)", INSTALL_RUST)
    _need_version(["rustc", "--version"], rust, "Rust", INSTALL_RUST)
    _need_version(["node", "--version"], NODE_AT_LEAST, "Node", INSTALL_NODE)
    _need("npm", "npm", INSTALL_NODE)
    if not (os.environ.get("CC") or shutil.which("cc")):
        raise Failed(f"A C compiler is missing: {INSTALL_CC}")
    if not (os.environ.get("CXX") or shutil.which("c++")):
        raise Failed(f"A C++ compiler is missing (libopus's build asks for one): {INSTALL_CC}")


def _rust_at_least() -> tuple[int, ...]:
    match = re.search(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert match is not None, "Cargo.toml names the oldest Rust that can build it"
    return _numbers(match[1])


def _numbers(text: str) -> tuple[int, ...]:
    match = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _need(command: str, name: str, install: str) -> None:
    if shutil.which(command) is None:
        raise Failed(f"{name} is missing: {install}")


def _need_version(command: list[str], least: tuple[int, ...], name: str, install: str) -> None:
    _need(command[0], name, install)
    # From the root, where rustup would pick a toolchain that the repository asks for.
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if found.returncode != 0 or _numbers(found.stdout) < least:
        wanted = ".".join(map(str, least))
        raise Failed(
            f"{name} {wanted} or newer is needed, here is {found.stdout.strip() or 'none that runs'}: {install}"
        )


def python() -> str:
    """The interpreter to build the environment from, never one of a virtual environment."""
    return getattr(sys, "_base_executable", sys.executable)


def tools() -> Path:
    """Folder with ``uv`` (and ``cmake`` if the machine has none), installed by hash from PyPI once per user."""
    with_cmake = shutil.which("cmake") is None
    wanted = fingerprint([TOOLS_LOCK], str(with_cmake), python())
    home = CACHE / f"tools-{wanted[:12]}"
    stamp = Stamp(home / "done", wanted)
    if not stamp.fresh():
        with stage("tools from PyPI (uv" + (", cmake)" if with_cmake else ")")):
            shutil.rmtree(home, ignore_errors=True)
            _install_tools(home, with_cmake)
            stamp.done()
    return home / "bin"


def _install_tools(home: Path, with_cmake: bool) -> None:
    probe = [python(), "-c", "import ensurepip, venv"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        raise Failed(f"This Python cannot make virtual environments: {INSTALL_VENV}")
    run([python(), "-m", "venv", home], "tools")
    wanted = _pins("uv", "cmake") if with_cmake else _pins("uv")
    (home / "wanted.txt").write_text(wanted)
    pip: list[str | Path] = [
        home / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    run([*pip, "-r", home / "wanted.txt"], "tools")


def _pins(*names: str) -> str:
    pins = re.split(r"^(?=\S)", TOOLS_LOCK.read_text(), flags=re.MULTILINE)
    return "".join(pin for pin in pins if pin.split("==")[0] in names)


def environment() -> dict[str, str]:
    """Environment for cargo, uv and npm: tools on the path, build products in the user's cache folder."""
    TARGET.mkdir(parents=True, exist_ok=True)
    # Without its caches every command would compile all of itself at each start.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        # Behind the machine's own tools: only what is absent there is taken from here.
        "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{tools()}",
        "CARGO_TARGET_DIR": str(TARGET),
        "UV_PYTHON_DOWNLOADS": "never",
        "VIRTUAL_ENV": str(VENV),
    }


def uv(*arguments: str | Path, log: str) -> None:
    """Run our uv."""
    run([tools() / "uv", *arguments], log, env=environment())
