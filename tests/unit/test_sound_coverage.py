"""What ``docs/sound-coverage.md`` names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sound-coverage.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:tests|crates)/[\w/-]+\.(?:py|rs))::(\w+)`", PAGE)))


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "::" not in line]

    assert {row.split("|")[1].strip() for row in rows} == {"What"}, "a row without a test holds nothing"


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_that_holds_a_promise_is_there(file: str, test: str) -> None:
    assert re.search(rf"\b(?:def|fn) {test}\(", (ROOT / file).read_text())
