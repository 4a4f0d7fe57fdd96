"""How ``make test`` counts: what fails beside others has one run alone, and that one decides."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
BESIDE_OTHERS = 'print("FAILED tests/a.py::test_one[x y] - it was late")\nprint("ERROR tests/b.py::test_two")\nexit(1)'


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("run_tests_in_a_test", SCRIPTS / "run_tests.py")
    assert spec is not None, "it is there"
    assert spec.loader is not None, "it is Python"
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr(module, "environment", lambda: dict(os.environ))
    return module


def suite(runner: ModuleType, tests: str, alone: str | None) -> Any:
    python = [sys.executable, "-c"]
    return runner.Suite("calls", [*python, tests], alone=[*python, alone] if alone is not None else None)


def test_what_passes_alone_passes_and_both_runs_are_told(runner: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    runner.run_all([suite(runner, BESIDE_OTHERS, "import sys; print('alone', sys.argv[1:])")])
    told = capfd.readouterr().out
    assert "alone ['tests/a.py::test_one[x y]', 'tests/b.py::test_two']" in told
    assert "failed at first, passed alone: tests/b.py::test_two" in told


def test_what_fails_alone_too_fails_and_is_named(runner: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(runner.Failed, match="FAILED: calls"):
        runner.run_all([suite(runner, BESIDE_OTHERS, "exit(1)")])
    assert "FAILED tests/a.py::test_one[x y]\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    "tests",
    [
        "\n".join(f'print("FAILED tests/a.py::test_{n}")' for n in range(6)) + "\nexit(1)",
        BESIDE_OTHERS.replace("exit(1)", "exit(3)"),
        "exit(1)",
    ],
    ids=["too many", "the runner broke", "nothing is named"],
)
def test_nothing_has_a_second_run_where_it_would_hide_more(runner: ModuleType, tests: str) -> None:
    with pytest.raises(runner.Failed):
        runner.run_all([suite(runner, tests, "print('never')")])


def test_without_a_way_to_run_alone_a_failure_stands(runner: ModuleType) -> None:
    with pytest.raises(runner.Failed):
        runner.run_all([suite(runner, BESIDE_OTHERS, None)])


def test_what_runs_beneath_others_lets_them_go_on_and_counts(
    runner: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    over = tmp_path / "over"
    waits = f"import os, time\nwhile not os.path.exists({str(over)!r}): time.sleep(0.01)\nprint('silent')\nexit(1)"
    beneath = runner.Suite("fuzzers", [sys.executable, "-c", waits], beneath=True)
    with pytest.raises(runner.Failed, match="FAILED: fuzzers"):
        runner.run_all([beneath, suite(runner, f"open({str(over)!r}, 'w')", None)])
    assert "silent" not in capfd.readouterr().out


def test_what_failed_beneath_others_has_its_run_alone_when_they_are_over(
    runner: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failed, over = tmp_path / "failed", tmp_path / "over"
    fails = f"open({str(failed)!r}, 'w').close()\n{BESIDE_OTHERS}"
    beneath = suite(runner, fails, f"import os; assert os.path.exists({str(over)!r})")
    beneath.beneath = True
    lasts = f"import os, time\nwhile not os.path.exists({str(failed)!r}): time.sleep(0.01)\nopen({str(over)!r}, 'w')"

    runner.run_all([beneath, suite(runner, lasts, None)])

    assert "failed at first, passed alone: tests/b.py::test_two" in capfd.readouterr().out


def test_what_runs_by_itself_waits_for_what_runs_beneath(
    runner: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    over = tmp_path / "over"
    beneath = runner.Suite("fuzzers", [sys.executable, "-c", f"open({str(over)!r}, 'w')"], beneath=True)
    sound = suite(runner, f"import os; assert os.path.exists({str(over)!r})", None)
    sound.by_itself = True

    runner.run_all([beneath, sound])

    assert "fuzzers: passed" in capfd.readouterr().out
