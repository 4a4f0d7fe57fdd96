"""``make soak``: the long tests, marked ``soak``: fuzzers, repeated kills, big counts, hours."""

from pathlib import Path

import build
import peers
from run_tests import BIN, Suite, beside, run_all
from stages import one_sentence
from toolchain import check_machine

LONGEST_S = 3600
"""For one test; several run beside each other, and the whole is over in about an hour on two cores."""


def main() -> None:
    check_machine()
    peers.install_if_allowed()
    build.main()
    build.developer_environment()
    rust = ["cargo", "test", "--locked", "--release", "--workspace", "--exclude", "ringback-python", "--", "--ignored"]
    long: list[str | Path] = [BIN / "python", "-m", "pytest", "-q", "-m", "soak", "--durations", "0"]
    soak = [*long, "--timeout", str(LONGEST_S), *beside(), "tests"]
    run_all([Suite("Rust, long", rust), Suite("Python, long", soak)])


if __name__ == "__main__":
    with one_sentence():
        main()
