"""The program that makes video phones' pictures, looked at from outside: is it there, does it start, what can it."""

import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

PATIENCE = 30.0
"""Seconds until a program that says nothing is taken for broken."""

INSTALL = "make build, or pip install ringback-core; or set RINGBACK_MEDIA__PIXELS to the program"
INSTALL_VPX = "apt-get install libvpx-dev (or your system's libvpx), then start again"
UNCONFINED = 2
"""Its exit status where it cannot give up its rights."""

_SAYS = re.compile(r"ringback-pixels (?P<version>[\w.+-]{1,40}): (?P<able>[\w ().,+-]{0,200})")


@dataclass(frozen=True, slots=True)
class PixelProgram:
    """What is known of it.

    Attributes:
        version: Empty where it did not say.
        able: Codecs that it reads and makes, in its own words: ``h264``, ``vp8 (libvpx 1.12.0)``.
        fault: Why it cannot be used, one sentence; empty where it can.
        fix: What to do about the fault, or about what it cannot; empty where nothing is to be done.
    """

    version: str = ""
    able: tuple[str, ...] = ()
    fault: str = ""
    fix: str = ""

    @property
    def lacks_vp8(self) -> bool:
        return not self.fault and not any(word.startswith("vp8") for word in self.able)

    def trouble(self) -> str:
        """What is wrong with it, one line; empty: nothing."""
        if self.fault:
            return self.fault
        if self.lacks_vp8:
            return "libvpx is not installed: VP8 is passed on as it is, and not composed or transcoded"
        return ""


def look_at(program: Path | None) -> PixelProgram:
    """Run the program's own check. Takes a tenth of a second of processor, and ``PATIENCE`` at most; never raises."""
    if program is None:
        words = "ringback-pixels is not installed: phones are shown only pictures that fit them as they are"
        return PixelProgram(fault=words, fix=INSTALL)
    try:
        run = subprocess.run(
            [os.fspath(program), "--check"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = "it says nothing" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        return PixelProgram(fault=f"{program} cannot be started: {why}", fix=INSTALL)
    return understand(program, run.returncode, run.stdout, run.stderr)


def understand(program: Path, status: int, said: str, complaint: str) -> PixelProgram:
    """What the program's check said and how it ended, as a value."""
    found = _SAYS.match(said)
    version = found["version"] if found else ""
    able = tuple(word for word in (found["able"] if found else "").split(", ") if word)
    if status == UNCONFINED:
        why = (complaint.strip().splitlines() or ["no reason given"])[0][:200]
        fix = "a Linux kernel with seccomp, and a container that allows it (its default profile does)"
        words = f"ringback-pixels cannot give up its rights on this machine and makes no pictures: {why}"
        return PixelProgram(version, able, words, fix)
    if status != 0 or found is None:
        words = f"{program} is broken, or of another version: its check ended with {status}"
        return PixelProgram(version, able, words, INSTALL)
    works = PixelProgram(version, able)
    return replace(works, fix=INSTALL_VPX) if works.lacks_vp8 else works
