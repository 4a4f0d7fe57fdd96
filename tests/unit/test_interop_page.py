"""What ``docs/interop.md`` names as a proof is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "interop.md").read_text()
PROOFS = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))
SCENARIOS = sorted(
    set(re.findall(r"`([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`", PAGE.split("## SIPp")[1].split("## Carriers")[0]))
)


@pytest.mark.parametrize(("file", "test"), PROOFS)
def test_a_proof_is_there(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / "tests" / "interop" / file).read_text()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_there(name: str) -> None:
    folder = ROOT / "tests" / "interop" / "scenarios"
    assert any(f'"{name}"' in path.read_text() for path in folder.glob("*.py"))
