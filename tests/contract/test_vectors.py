"""Plays every exchange of ``tests/vectors/rest`` against the real application."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.house import House, a_house
from contract.matching import differences, filled

FOLDER = Path(__file__).parent.parent / "vectors" / "rest"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in json.loads(file.read_text())
]


@pytest.mark.parametrize("case", CASES)
async def test_the_exchange_goes_as_published(case: dict[str, Any], tmp_path: Path) -> None:
    async with a_house(tmp_path, bare=case.get("bare_endpoints", False)) as house:
        for number, step in enumerate(case["steps"]):
            status, answer = await _ask(house, step)
            wanted = answer if step.get("any_answer") else filled(step["answer"], house.clock.wall())
            found = differences(wanted, answer)
            if status != step.get("status", 200):
                found.insert(0, f"status is {status}, not {step.get('status', 200)}")
            assert not found, f"step {number}, {step['ask']}: " + "; ".join(found) + f"\n{answer}"


async def _ask(house: House, step: dict[str, Any]) -> tuple[int, Any]:
    method, path = step["ask"].split(" ", 1)
    headers = {} if step.get("stranger") else {"Authorization": house.http.headers["authorization"]}
    headers |= step.get("headers", {})
    content = _raw(step.get("raw"))
    if content is None and "body" in step:
        content = json.dumps(filled(step["body"], house.clock.wall()))
    response = await house.stranger.request(method, path, content=content, headers=headers)
    return response.status_code, response.json() if response.content else None


def _raw(raw: Any) -> str | None:
    """Octets as they are, or ``{"before", "repeat", "times", "after"}``."""
    if isinstance(raw, dict):
        return str(raw.get("before", "") + raw["repeat"] * raw["times"] + raw.get("after", ""))
    return None if raw is None else str(raw)
