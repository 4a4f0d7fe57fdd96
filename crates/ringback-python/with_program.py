"""Builds the wheel of ``ringback-core``: maturin's, with the program that makes pictures beside the commands.

maturin puts what it finds under ``ringback_core.data/scripts`` where an environment's commands are. So the program is
built into that folder first; the server finds it beside its own Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import maturin

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "ringback_core.data" / "scripts"
PROGRAM = "ringback-pixels"

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = maturin.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = maturin.prepare_metadata_for_build_editable
build_sdist = maturin.build_sdist


def build_wheel(folder: str, settings: Any = None, metadata: str | None = None) -> str:
    _build_program()
    return str(maturin.build_wheel(folder, settings, metadata))


def build_editable(folder: str, settings: Any = None, metadata: str | None = None) -> str:
    _build_program()
    return str(maturin.build_editable(folder, settings, metadata))


def _build_program() -> None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    build = ["cargo", "build", "--locked", "--release", "-p", PROGRAM]
    subprocess.run(build, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(target)}, check=True, stdout=sys.stderr)
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    shutil.copy2(target / "release" / PROGRAM, SCRIPTS / PROGRAM)
