"""Every security case has a test that carries its id, and ``docs/security-cases.md`` names one that is there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| ([A-F]\d+) \| .* \| `(tests/[\w/]+\.py)::(test_\w+)` \|$", re.MULTILINE)
CASES = {"A": 15, "B": 9, "C": 16, "D": 18, "E": 15, "F": 9}
"""How many there are of each kind; numbers are never given again."""


def rows() -> list[tuple[str, str, str]]:
    """Case, file and test of each line of the table."""
    return ROW.findall((ROOT / "docs" / "security-cases.md").read_text())


@cache
def ids(file: str) -> dict[str, set[str]]:
    """Ids in the docstring of each test of a file."""
    return dict(_ids(ast.parse((ROOT / file).read_text())))


def _ids(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, set(re.findall(r"\b[A-F]\d{1,2}\b", ast.get_docstring(node) or ""))


def test_no_case_is_left_out() -> None:
    expected = [f"{kind}{number}" for kind, count in CASES.items() for number in range(1, count + 1)]

    assert [case for case, _, _ in rows()] == expected


@pytest.mark.parametrize(("case", "file", "test"), rows(), ids=lambda value: str(value))
def test_the_test_of_a_case_is_there_and_carries_its_id(case: str, file: str, test: str) -> None:
    assert case in ids(file)[test]
