"""What is understood of the pixel program's own check."""

from pathlib import Path

import pytest

from ringback.media.pixel_program import PixelProgram, look_at, understand

PROGRAM = Path("/somewhere/ringback-pixels")


def test_a_program_that_can_everything_is_in_no_trouble() -> None:
    found = understand(PROGRAM, 0, "ringback-pixels 0.1.0: h264, vp8 (libvpx 1.12.0)\n", "")

    assert found == PixelProgram("0.1.0", ("h264", "vp8 (libvpx 1.12.0)"))
    assert found.trouble() == ""


def test_without_libvpx_the_fix_installs_it() -> None:
    found = understand(PROGRAM, 0, "ringback-pixels 0.1.0: h264\n", "")

    assert found.lacks_vp8 and "libvpx is not installed" in found.trouble() and "libvpx" in found.fix


def test_a_kernel_that_does_not_confine_it_is_named() -> None:
    found = understand(PROGRAM, 2, "ringback-pixels 0.1.0: h264\n", "Function not implemented (os error 38)\n")

    assert "cannot give up its rights" in found.trouble() and "os error 38" in found.fault and "seccomp" in found.fix


@pytest.mark.parametrize(("status", "said"), [(0, ""), (1, "ringback-pixels 0.1.0: h264"), (0, "Usage: …"), (-11, "")])
def test_what_does_not_say_its_words_is_broken(status: int, said: str) -> None:
    assert "is broken" in understand(PROGRAM, status, said, "").trouble()


def test_none_at_all_and_one_that_does_not_start_say_how_to_get_one(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(0o644)

    assert "not installed" in look_at(None).trouble()
    for program in (tmp_path / "missing", empty):
        found = look_at(program)
        assert "cannot be started" in found.trouble() and "make build" in found.fix


def test_it_is_run_and_believed(tmp_path: Path) -> None:
    program = tmp_path / "pixels"
    program.write_text('#!/bin/sh\n[ "$1" = --check ] && echo "ringback-pixels 9.9: h264, vp8 (libvpx 1.15.1)"\n')
    program.chmod(0o755)

    assert look_at(program).version == "9.9"
