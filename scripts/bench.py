"""``make bench``: CPU time per unit of work, beside the floor measured in the same run, in one table.

A bench is ``crates/*/examples/bench_*.rs`` or ``benches/*.py``. It prints JSON lines ``{"name", "us", "unit"}`` (CPU
microseconds, or ``ms``; ``unit`` says for what, ``calls`` that it is a count; or ``score`` in ``unit``, which is no
time at all); lines whose name has ``floor`` are what could not be done for less. ``target`` is optional: above it, the
table says so. A busy machine shows more CPU time than an idle one, so a target that was missed there is said and is no
failure.
"""

import argparse
import json
import platform
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import build
import peers
from stages import ROOT, Failed, one_sentence, run, say, stage
from toolchain import VENV, check_machine, environment


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement, in CPU microseconds; a score is in its unit."""

    name: str
    us: float
    unit: str
    target: float | None = None
    is_score: bool = False

    def shown(self, amount: float) -> str:
        """With its unit; what is counted (``unit`` is ``calls``) has none."""
        if self.is_score:
            return f"{amount:.2f}"
        if self.unit == "calls":
            return f"{amount:.0f}"
        return f"{amount / 1000:.2f} ms" if amount >= 1000 else f"{amount:.2f} µs"

    @property
    def is_floor(self) -> bool:
        return "floor" in self.name

    @property
    def too_much(self) -> bool:
        return self.target is not None and self.us > self.target


def benches() -> Iterator[tuple[str, list[str | Path]]]:
    """Name and command of each."""
    for path in sorted(ROOT.glob("crates/*/examples/bench_*.rs")):
        crate = path.parent.parent.name
        yield path.stem, ["cargo", "run", "--locked", "--quiet", "--release", "-p", crate, "--example", path.stem]
    for path in sorted(ROOT.glob("benches/*.py")):
        yield path.stem, [VENV / "bin" / "python", path]


def measure(name: str, command: list[str | Path]) -> list[Line]:
    """Run one bench."""
    with stage(name):
        said = run(command, f"bench-{name}", env={**environment(), "PYTHONPATH": str(ROOT / "tests")})
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [Line(row["name"], _amount(row), row["unit"], row.get("target"), is_score="score" in row) for row in rows]


def _amount(row: dict[str, float]) -> float:
    if "score" in row:
        return row["score"]
    return row["us"] if "us" in row else row["ms"] * 1000


def show(lines: list[Line]) -> None:
    """The table."""
    width = max(len(line.name) for line in lines)
    print(f"\n{machine()}\n")
    print(f"{'what':<{width}}  {'CPU':>12}  for what")
    for line in lines:
        target = "" if line.target is None else f"  (target {line.shown(line.target)}{', MISSED' * line.too_much})"
        print(f"{line.name:<{width}}  {line.shown(line.us):>12}  {re.sub(r'^CPU.(us|ms) ', '', line.unit)}{target}")
    print()


def machine() -> str:
    """Which machine the numbers are of: processor, cores, system, load, compiler, commit."""
    cpu = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    rust = _said("rustc", "--version")
    commit = _said("git", "rev-parse", "--short", "HEAD")
    load = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "?"
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE)) if cpu else "?"
    name = cpu[1] if cpu else platform.processor()
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {rust}"
    return f"{name}, {cores} cores, load {load}; {system}; commit {commit}"


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks; names choose some of them.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines and the machine there, too")
    chosen = parser.parse_args()
    wanted = chosen.names
    check_machine()
    peers.install_if_allowed()
    build.main()
    build.developer_environment()
    lines: list[Line] = []
    for name, command in benches():
        if not wanted or any(part in name for part in wanted):
            lines += measure(name, command)
    if not lines:
        raise Failed("No bench has such a name.")
    show(lines)
    if chosen.json:
        rows = [{**asdict(line), "missed": line.too_much} for line in lines]
        chosen.json.write_text(json.dumps({"machine": machine(), "lines": rows}, indent=1) + "\n")
    missed = [line.name for line in lines if line.too_much]
    say(f"targets MISSED: {'; '.join(missed)}" if missed else "every target was met")


if __name__ == "__main__":
    with one_sentence():
        main()
