"""Our description of the API beside what the published one says."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.house import House, a_house
from ringback.calls.requests import FIELDS
from ringback.rest.api import OPERATIONS
from ringback.rest.openapi import document

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "openapi" / "dial-out-start.json").read_text())
OURS = document(OPERATIONS, "0", "http://here/v1")
COMPARED = ("type", "default", "minimum", "maximum", "minItems", "maxLength", "enum")
OPERATION = OURS["paths"][PUBLISHED["path"]][PUBLISHED["method"]]


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or what it points to."""
    reference = schema.get("$ref")
    return OURS["components"]["schemas"][reference.rsplit("/", 1)[1]] if reference else schema


def fields_of(schema: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every field by its path, with what is said of it; an array's items are told with the array."""
    for name, about in schema.get("properties", {}).items():
        about = {**about, **({"enum": about["items"]["enum"]} if "enum" in about.get("items", {}) else {})}
        yield f"{at}{name}", about
        yield from fields_of(about, f"{at}{name}.")


BODY = resolved(OPERATION["requestBody"]["content"][PUBLISHED["content_type"]]["schema"])


def test_the_operation_is_called_as_published_and_needs_a_bearer_key() -> None:
    scheme = OURS["components"]["securitySchemes"][PUBLISHED["security"]["scheme"]]

    assert (OPERATION["operationId"], OPERATION["tags"]) == (PUBLISHED["operationId"], PUBLISHED["tags"])
    assert (scheme["type"], scheme["scheme"]) == (PUBLISHED["security"]["type"], PUBLISHED["security"]["how"])
    assert OURS["security"] == [{PUBLISHED["security"]["scheme"]: []}] and "security" not in OPERATION
    in_path = {each["name"]: each["schema"]["type"] for each in OPERATION["parameters"] if each["in"] == "path"}
    assert in_path == PUBLISHED["path_parameters"]


def test_every_published_field_has_its_type_bounds_default_and_values() -> None:
    ours = dict(fields_of(BODY))
    added = set(PUBLISHED["ours"]["bounds"])

    for name, facts in PUBLISHED["fields"].items():
        kept = {key: ours[name][key] for key in COMPARED if key in ours[name]}
        assert {key: value for key, value in kept.items() if f"{name}.{key}" not in added} == facts, name


def test_nothing_is_there_beside_but_what_is_noted_as_ours() -> None:
    top = {name.partition(".")[0] for name in PUBLISHED["fields"]}

    assert BODY["additionalProperties"] is PUBLISHED["other_fields_allowed"]
    assert sorted(set(BODY["properties"]) - top) == PUBLISHED["ours"]["fields"]
    assert not any("required" in about for _, about in fields_of(BODY))
    assert set(BODY["properties"]) == set(FIELDS), "what is described is what is checked"


def test_answers_and_the_example_of_a_400_are_as_published() -> None:
    answer = OPERATION["responses"]["200"]["content"]["application/json"]["schema"]
    example = OPERATION["responses"]["400"]["content"]["application/json"]["example"]

    assert {name: about["type"] for name, about in answer["properties"].items()} == PUBLISHED["answer"]
    assert set(PUBLISHED["statuses"]) <= set(OPERATION["responses"])
    assert example == PUBLISHED["example_400"]


async def test_the_example_is_what_an_empty_body_is_answered_with(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.ask("POST", "/v1/rooms", {"name": "desk"})

        assert await house.ask("POST", "/v1/rooms/desk/dialOut/start", {}) == (400, PUBLISHED["example_400"])


async def test_anybody_may_read_the_description_and_every_operation_is_in_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        served = (await house.stranger.get("/docs/openapi.json")).json()

        count = sum(len(methods) for methods in served["paths"].values())
        ids = [each["operationId"] for methods in served["paths"].values() for each in methods.values()]
        assert count == len(OPERATIONS) and len(set(ids)) == count
        assert served["servers"] == [{"url": "https://rooms.example.test/v1"}]


async def rooms_and_numbers(house: House) -> None:
    """What a telephony request can be about."""
    starts = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
    await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": starts})
    await house.ask("POST", "/v1/ringback/trunks", {"name": "acme", "hosts": ["sip.acme.example"]})
    stock = {"trunk": "acme", "numbers": ["+14155550123", "+12125550199"]}
    await house.ask("POST", "/v1/ringback/number-stock", stock)


BAD_TYPES: tuple[object, ...] = (7, -1, 1.5, True, [], {}, "x" * 300, None)


@pytest.mark.parametrize("name", sorted(BODY["properties"]))
async def test_whatever_a_field_holds_the_answer_is_one_that_is_described(name: str, tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await rooms_and_numbers(house)

        for value in BAD_TYPES:
            response: httpx.Response = await house.http.post("/v1/rooms/desk/dialOut/start", json={name: value})
            assert str(response.status_code) in OPERATION["responses"] and response.status_code < 500, (name, value)
