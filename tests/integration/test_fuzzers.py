"""The coverage-guided fuzzers of ``fuzz/``: a moment each here, ten minutes each in ``make soak``."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from conftest import cannot_run

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["message", "stream", "sdp", "twins"]


async def fuzz(target: str, seconds: int, folder: Path) -> None:
    """Run one; what it finds is in the message of the failure."""
    if importlib.util.find_spec("atheris") is None:
        cannot_run("atheris is not here: it is built for Linux on x86-64 alone")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "fuzz" / "fuzz_sip.py"), target, f"-max_total_time={seconds}"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode(errors="replace")
    found = [path.read_bytes() for path in folder.glob("*-*")]  # noqa: ASYNC240
    assert process.returncode == 0, f"{found}\n{said[-4000:]}"


async def test_no_octets_raise_anything_but_the_documented_error(tmp_path: Path) -> None:
    """F9, F6."""
    folders = {target: tmp_path / target for target in TARGETS}
    for folder in folders.values():
        folder.mkdir()
    await asyncio.gather(*(fuzz(target, 3, folder) for target, folder in folders.items()))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
async def test_no_octets_raise_anything_but_the_documented_error_in_ten_minutes(target: str, tmp_path: Path) -> None:
    """F9."""
    await fuzz(target, 600, tmp_path)
