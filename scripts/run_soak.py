"""``make soak``: the long tests, marked ``soak``: fuzzers, repeated kills, big counts, hours."""

from pathlib import Path

import build
import peers
from run_tests import BIN, Suite, run_all
from stages import one_sentence
from toolchain import check_machine


def main() -> None:
    check_machine()
    peers.install_if_allowed()
    build.main()
    build.developer_environment()
    rust = ["cargo", "test", "--locked", "--release", "--workspace", "--exclude", "ringback-python", "--", "--ignored"]
    soak: list[str | Path] = [BIN / "python", "-m", "pytest", "-q", "-m", "soak", "--timeout", "7200", "tests"]
    run_all([Suite("Rust, long", rust), Suite("Python, long", soak)])


if __name__ == "__main__":
    with one_sentence():
        main()
