"""A core that is not of these sources is found out before the first call."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ringback import __version__, core


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Another core in the place of ours, right in everything."""
    module = ModuleType("ringback_core")
    vars(module).update(VERSION=__version__, BUILT_FROM=core.digest(core.SOURCES))
    monkeypatch.setitem(sys.modules, "ringback_core", module)
    core.compiled.cache_clear()
    yield module
    core.compiled.cache_clear()


def refusal() -> str:
    with pytest.raises(core.WrongCore) as found:
        core.compiled()
    return str(found.value)


def test_the_core_that_was_built_here_is_taken() -> None:
    core.compiled.cache_clear()
    assert core.digest(core.SOURCES) == core.compiled().BUILT_FROM


def test_a_core_of_these_sources_is_taken(other: ModuleType) -> None:
    assert core.compiled() is other


def test_a_core_of_other_sources_is_refused_with_what_to_run(other: ModuleType) -> None:
    vars(other)["BUILT_FROM"] += 1
    assert refusal() == "the compiled core was built from other sources than those beside it; run `make build`"


def test_a_core_of_another_version_is_refused_with_both(other: ModuleType) -> None:
    vars(other)["VERSION"] = "0.0.9"
    said = refusal()
    assert said.startswith(f"the compiled core is of version 0.0.9, this is Ringback {__version__}; run `make build`")
    assert said.endswith(f"ringback-core=={__version__}")


def test_a_core_from_before_it_said_its_version_is_refused(other: ModuleType) -> None:
    del vars(other)["VERSION"], vars(other)["BUILT_FROM"]
    assert refusal().startswith("the compiled core is of an earlier version, this is Ringback ")


def test_a_missing_core_is_no_traceback(other: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ringback_core", None)
    assert refusal() == "the compiled core is not installed; run `make build`, or pip install ringback-core"


def test_without_sources_beside_it_the_version_is_enough(other: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "SOURCES", Path("/no/such/folder"))
    vars(other)["BUILT_FROM"] += 1
    assert core.compiled() is other


def test_every_change_of_the_sources_is_another_number(tmp_path: Path) -> None:
    numbers = []
    for name, text in (("a.rs", "x"), ("a.rs", "y"), ("b.rs", ""), ("notes.txt", "not compiled")):
        (tmp_path / name).write_text(text)
        numbers.append(core.digest(tmp_path))
    assert len(set(numbers[:3])) == 3
    assert numbers[3] == numbers[2]
