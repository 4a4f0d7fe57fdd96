"""``make test``: every test, quick ones first; each runner's own summary line is repeated at the end."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import build
import peers
from stages import ROOT, STATE, Failed, one_sentence, say
from toolchain import VENV, check_machine, environment

AT_A_TIME = 3
"""Tests that mostly wait: more of them at once want more than two processors, and tear each other's tones."""

SOUND = "tests/integration/test_media_phones.py"
BIN = VENV / "bin"
WEB = ROOT / "web"
SUMMARY = re.compile(
    r"^(=+ )?(\d+ (passed|failed|errors?|skipped|deselected)\b.*|no tests ran.*) in [\d.]+s"  # pytest
    r"|^test result: "  # cargo
    r"|^\s*(Test Files|Tests) +.*\b(passed|failed|skipped)\b"  # vitest
    r"|^(Contracts: |Found \d+ error|All checks passed|Success: )"  # import-linter, ruff, mypy
)
RED = re.compile(r"^(?:FAILED|ERROR) (?P<id>tests/\S+?\.py::.+?)(?: - .*)?$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MOST_AGAIN = 5
"""As many failures of a suite are looked at again, alone; more are no accident."""


@dataclass(slots=True)
class Suite:
    """One runner and what it runs.

    Attributes:
        name: For people and for the log's file name.
        alone: Runs the tests it is given one after the other. Of a suite that has this, what failed has a second run
            by itself (docs/decisions/0090).
        beneath: Runs while those after it do, on what they leave of the processors; its output is in its log alone.
        by_itself: Begins when nothing runs beneath any more.
        summary: Lines in which the runner counted, in the order they came.
        red: The tests that failed, by pytest's names.
    """

    name: str
    command: Sequence[str | Path]
    cwd: Path = ROOT
    alone: Sequence[str | Path] | None = None
    beneath: bool = False
    by_itself: bool = False
    code: int = 0
    seconds: float = 0.0
    summary: list[str] = field(default_factory=list)
    red: list[str] = field(default_factory=list)


def pytest(*arguments: str) -> list[str | Path]:
    """Our pytest, which leaves the long tests to ``make soak``."""
    return [BIN / "python", "-m", "pytest", "-q", "-m", "not soak", *arguments]


def beside(at_a_time: int = AT_A_TIME) -> list[str]:
    """Options for tests that mostly wait: several at a time, each in a network of its own, which takes root."""
    return ["-n", str(at_a_time), "--dist", "worksteal"] if os.geteuid() == 0 else []


def alone() -> list[str | Path]:
    """Runs tests one after the other, in one network of their own like those that ran beside others."""
    return pytest("-n", "1") if os.geteuid() == 0 else pytest()


def suites() -> list[Suite]:
    """All of them, quick ones first."""
    rust = ["cargo", "test", "--locked", "--quiet", "--release", "--workspace", "--exclude", "ringback-python"]
    # A minute each, and only when nothing else wants a processor.
    fuzzers = ["chrt", "--idle", "0", *rust, "--test", "any_bytes", "--", "--ignored", "--test-threads", "4"]
    return [
        Suite("lint", [BIN / "ruff", "check"]),
        Suite("import contracts", [BIN / "lint-imports"]),
        Suite("web", ["npm", "test", "--silent"], cwd=WEB),
        Suite("Rust", rust),
        # Beneath what works rather than waits: it gives way, and yet a processor's other half is busy.
        Suite("fuzzers", fuzzers, beneath=True),
        Suite("types", [BIN / "mypy"]),
        Suite("unit", pytest("tests/scenarios", "tests/contract", "tests/unit", *beside(2)), alone=alone()),
        Suite("integration", pytest("tests/integration", f"--ignore={SOUND}", *beside()), alone=alone()),
        # What is listened to there is the machine's own pace, which other machines may share. Two at a time want a
        # fifth of two processors.
        Suite("sound", pytest(SOUND, *beside(2)), alone=alone(), by_itself=True),
        Suite("browser", ["npm", "run", "--silent", "e2e", "--", "--retry=1"], cwd=WEB),
        Suite("interop", pytest("tests/interop", *beside()), alone=alone()),
    ]


def run_all(wanted: Sequence[Suite]) -> None:
    """Run each, a failing one included in the count and not in the way of the next.

    Raises:
        Failed: At least one failed.
    """
    env = environment()
    beneath: list[tuple[Suite, threading.Thread]] = []
    for suite in wanted:
        if suite.by_itself:
            _wait_for(beneath)
        if suite.beneath:
            say(f"{suite.name} … beneath what follows")
            beneath.append((suite, threading.Thread(target=_run, args=(suite, env))))
            beneath[-1][1].start()
            continue
        say(f"{suite.name} …")
        _run(suite, env)
        _say_verdict(suite)
    _wait_for(beneath)
    # Not before nothing is beside them.
    for suite in wanted:
        if suite.alone is not None and suite.code == 1 and 0 < len(suite.red) <= MOST_AGAIN:
            _run_again(suite, suite.alone, env)
            _say_verdict(suite)
    _report(wanted)
    failed = [suite.name for suite in wanted if suite.code != 0]
    if failed:
        raise Failed(f"FAILED: {', '.join(failed)}. Full output is in .build/logs/.")


def _wait_for(beneath: list[tuple[Suite, threading.Thread]]) -> None:
    while beneath:
        suite, thread = beneath.pop(0)
        if thread.is_alive():
            say(f"{suite.name} … still")
        thread.join()
        _say_verdict(suite)


def _say_verdict(suite: Suite) -> None:
    say(f"{suite.name}: {'passed' if suite.code == 0 else 'FAILED'} in {suite.seconds:.1f} s")


def _run_again(suite: Suite, runner: Sequence[str | Path], env: Mapping[str, str]) -> None:
    """Ask whether what failed fails alone too; that answer counts, and both are shown."""
    say(f"{suite.name}: alone now: {', '.join(suite.red)}")
    again = Suite(f"{suite.name} again", [*runner, *suite.red])
    _run(again, env)
    suite.code = again.code
    suite.seconds += again.seconds
    verdict = "passed alone" if again.code == 0 else "FAILED alone too"
    suite.summary += [*again.summary, *(f"failed at first, {verdict}: {test}" for test in suite.red)]


def _run(suite: Suite, env: Mapping[str, str]) -> None:
    begun = time.monotonic()
    name = re.sub(r"\W+", "-", suite.name).lower()
    log = STATE / "logs" / f"test-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in suite.command]
    with log.open("w+b") as copy:
        process = subprocess.Popen(words, cwd=suite.cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None, "it was asked for"
        # By pieces, not by lines: a runner's dots are seen as they come.
        while piece := os.read(process.stdout.fileno(), 65536):
            if not suite.beneath:
                sys.stdout.buffer.write(piece)
                sys.stdout.flush()
            copy.write(piece)
        suite.code = process.wait()
        copy.seek(0)
        lines = COLOUR.sub("", copy.read().decode(errors="replace")).splitlines()
    suite.summary = [line.strip() for line in lines if SUMMARY.search(line.rstrip())]
    suite.red = list(dict.fromkeys(found["id"] for line in lines if (found := RED.match(line))))
    suite.seconds = time.monotonic() - begun


def _report(wanted: Sequence[Suite]) -> None:
    print()
    say("summary")
    for suite in wanted:
        verdict = "passed" if suite.code == 0 else "FAILED"
        print(f"  {suite.name:<18}{verdict}  {suite.seconds:7.1f} s")
        for line in _short(suite.summary):
            print(f"      {line}")
        for test in suite.red if suite.code else ():
            print(f"      FAILED {test}")
    sys.stdout.flush()


def _short(summary: Sequence[str]) -> list[str]:
    """Without the lines of Rust's many runners in which nothing is to be seen."""
    return [line for line in summary if not line.startswith("test result: ok. 0 passed; 0 failed; 0 ignored")]


def main() -> None:
    begun = time.monotonic()
    check_machine()
    peers.install_if_allowed()
    build.main()
    build.developer_environment()
    build.node_packages()
    try:
        run_all(suites())
    finally:
        say(f"make test: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    with one_sentence():
        main()
