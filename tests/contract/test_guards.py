"""What a stolen key cannot do: rules, caps, lists and the audit, through the real application and its store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from contract.house import House, a_house
from ringback.store.errors import StoreError

TRUNK = {"name": "acme", "hosts": ["sip.acme.example"], "caller_ids": ["+4940999888"]}
STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 7200}
OPEN = {"enable_dialout": True, "dialout_config": STARTS, "max_participants": 200}
SPENDS = {"caps": {"domain": {"spend_per_day": 1}}}
BERLIN = "+4930123456"


async def opened(house: House, **policy: Any) -> None:
    """A room that may dial out over a trunk, and a policy."""
    assert (await house.ask("POST", "/v1/ringback/trunks", TRUNK))[0] == 200
    assert (await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": OPEN}))[0] == 200
    if policy:
        status, answer = await house.ask("POST", "/v1/ringback/dialout-policy", policy)
        assert status == 200, answer


async def dial(house: House, number: str = BERLIN, room: str = "desk", **body: Any) -> tuple[int, Any]:
    return await house.ask("POST", f"/v1/rooms/{room}/dialOut/start", {"phoneNumber": number, **body})


async def audited(house: House, query: str = "") -> list[dict[str, Any]]:
    await house.clock.run_for(0.1)
    for _ in range(100):
        status, answer = await house.ask("GET", f"/v1/ringback/audit{query}")
        assert status == 200, answer
        if answer["data"]:
            break
        await asyncio.sleep(0.01)
    return list(answer["data"])


@pytest.mark.parametrize(
    ("policy", "body", "begins"),
    [
        ({}, {"number": "+19005550123"}, "number-not-allowed|destination-not-allowed"),
        ({"countries": ["1"]}, {}, "destination-not-allowed: International dialout not supported. Contact sales"),
        ({"deny_prefixes": ["+4930"]}, {}, "destination-not-allowed: numbers that begin with +4930 are not called"),
        ({"numbers": False}, {}, "destination-not-allowed: dial-out to PhoneNumber is not enabled for domain."),
        ({"do_not_call": [BERLIN]}, {}, "do-not-call: "),
        ({"calling_hours": [{"from": "00:00", "to": "00:01"}]}, {}, "outside-calling-hours: "),
        ({"consent_required": True}, {}, "consent-missing: "),
        ({"caps": {"domain": {"concurrent": 0}}}, {}, "too-many-calls: "),
        ({"caps": {"key": {"per_minute": 0}}}, {}, "call-rate-reached: "),
        ({"caps": {"trunk": {"minutes_per_day": 0.5}}}, {}, "minutes-cap-reached: "),
        ({**SPENDS, "rates": [{"prefix": "+49", "per_minute": 2}]}, {}, "spending-cap-reached: this domain"),
        ({**SPENDS, "rates": [{"prefix": "+1", "per_minute": 0}]}, {}, "spending-cap-reached: there is no rate"),
    ],
)
async def test_each_refusal_has_its_own_words_and_is_audited(
    tmp_path: Path, policy: dict[str, Any], body: dict[str, Any], begins: str
) -> None:
    """D9."""
    async with a_house(tmp_path) as house:
        await opened(house, **policy)

        status, answer = await dial(house, **body)

        assert status == 403
        assert answer["error"] in ("forbidden-error", "number-not-allowed")
        assert answer["info"].startswith(begins) or answer["error"] in begins
        (entry,) = await audited(house)
        assert entry["info"] == answer["info"].removeprefix(f"{entry['rule']}: ")
        assert entry["asker"]["kind"] == "key" and entry["room"] == "desk" and entry["by"] == "dial-out"
        assert not house.carrier.phones


async def test_help_is_refused_with_its_own_error_and_audited(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house)

        for number in ("+49112", "+1911", "112", "911", "urn:service:sos"):
            status, answer = await dial(house, number)
            assert (status, answer["error"]) == (403, "number-not-allowed"), number

        assert {entry["rule"] for entry in await audited(house)} == {"number-not-allowed"}


async def test_what_the_policy_allows_is_called_and_consent_is_kept(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house, countries=["49"], consent_required=True)

        status, answer = await dial(house, ringback={"consentReference": "form 17"}, extension="98765")

        assert status == 200, answer
        _, row = await house.ask("GET", f"/v1/ringback/calls/{answer['sessionId']}")
        assert row["request"]["ringback"]["consentReference"] == "form 17"
        assert row["request"]["extension"] == "•••••", "it may be a PIN"
        _, shown = await house.ask("GET", "/v1/ringback/dialout-policy")
        assert shown["today"]["calls"] == 1


async def test_a_burst_with_a_stolen_key_leaks_no_more_than_the_caps(tmp_path: Path) -> None:
    """D9. Hundreds of numbers of many countries, as fast as they go, each answered at once and never hung up."""
    async with a_house(tmp_path) as house:
        await opened(
            house,
            countries=["49", "44"],
            caps={"domain": {"concurrent": 12, "per_minute": 30, "minutes_per_day": 60, "spend_per_day": 10}},
            rates=[{"prefix": "+49", "per_minute": 0.10, "per_call": 0.05}, {"prefix": "+44", "per_minute": 0.50}],
        )
        for number in range(10):
            await house.ask("POST", "/v1/rooms", {"name": f"r{number}", "properties": OPEN})
        stolen = (await house.services.access.add_key(house.domain.id, "leaked")).secret
        numbers = [f"+49151{index:07}" for index in range(150)] + [f"+4477009{index:05}" for index in range(150)]
        numbers += [f"+1900555{index:04}" for index in range(50)] + [f"+25261{index:06}" for index in range(50)]
        answers: dict[int, int] = {}

        for index, number in enumerate(numbers):
            response = await house.stranger.post(
                f"/v1/rooms/r{index % 10}/dialOut/start",
                json={"phoneNumber": number},
                headers={"Authorization": f"Bearer {stolen}"},
            )
            answers[response.status_code] = answers.get(response.status_code, 0) + 1
            if response.status_code == 200:
                house.carrier.phone_of(response.json()["sessionId"]).pick_up()
            await house.clock.run_for(1)
        await house.clock.run_for(3 * 3600)

        policy = (await house.ask("GET", "/v1/ringback/dialout-policy"))[1]
        assert set(answers) <= {200, 400, 403}
        assert policy["today"]["spent"] <= 10.0 and policy["today"]["minutes"] <= 60.0
        assert policy["today"]["spent"] > 3.0, "the caps, and not the test, ended it"
        assert policy["today"]["calls"] == 0, "nothing is still talking"
        dialled = {phone.attempts[0].uri for phone in house.carrier.phones.values()}
        assert not any("+1900" in uri or "+252" in uri for uri in dialled)
        rows = await house.database.paid.since(0, "main")
        assert all(row.ended_at is not None for row in rows)
        assert sum(row.cost or 0 for row in rows) == pytest.approx(policy["today"]["spent"], abs=1e-3)
        assert {row.asker_kind for row in rows} == {"key"}
        _, audit = await house.ask("GET", "/v1/ringback/audit?limit=100")
        assert {"destination-not-allowed"} <= {entry["rule"] for entry in audit["data"]}
        ends = {call["end"]["reason"] for call in (await house.ask("GET", "/v1/ringback/calls"))[1]["data"]}
        assert "quota-exhausted" in ends


async def test_a_store_that_fails_lets_no_call_out(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house)
        put = house.database.paid.put

        async def full(row: object) -> None:
            raise StoreError("the disk is full")

        house.database.paid.put = full  # type: ignore[method-assign,assignment]
        status, answer = await dial(house)
        house.database.paid.put = put  # type: ignore[method-assign]

        assert (status, answer["info"].partition(":")[0]) == (403, "quota-unavailable")
        assert not house.carrier.phones
        assert (await house.ask("GET", "/v1/ringback/dialout-policy"))[1]["today"]["calls"] == 0
        assert (await dial(house))[0] == 200


async def test_what_was_spent_is_remembered_by_the_next_life(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house, caps={"domain": {"minutes_per_day": 10}})
        _, answer = await dial(house)
        phone = house.carrier.phone_of(answer["sessionId"])
        phone.pick_up()
        await house.clock.run_for(480)
        phone.hang_up()
        await house.clock.run_for(1)

    async with a_house(tmp_path) as again:
        _, shown = await again.ask("GET", "/v1/ringback/dialout-policy")
        assert shown["policy"]["caps"]["domain"]["minutes_per_day"] == 10
        assert shown["today"]["minutes"] == pytest.approx(8.0, abs=0.1)


async def test_asking_first_says_everything_that_is_against_a_call_and_calls_nobody(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house, countries=["1"], do_not_call=[BERLIN], caps={"domain": {"concurrent": 0}})

        path = "/v1/rooms/desk/dialOut/check"
        status, answer = await house.ask("POST", path, {"phoneNumber": BERLIN})
        fine = (await house.ask("POST", path, {"sipUri": "sip:bob@phones.example"}))[1]
        bad = await house.ask("POST", path, {"phoneNumber": BERLIN, "video": 7})
        nowhere = await house.ask("POST", "/v1/rooms/nowhere/dialOut/check", {"phoneNumber": BERLIN})

        assert status == 200 and answer["allowed"] is False
        assert (answer["number"], answer["callerId"], answer["trunks"]) == (BERLIN, "+4940999888", ["acme"])
        assert [each["info"].partition(":")[0] for each in answer["refusals"]] == [
            "destination-not-allowed",
            "do-not-call",
            "too-many-calls",
        ]
        assert all(each["status"] == 403 for each in answer["refusals"])
        assert fine == {"allowed": True, "number": None, "callerId": None, "trunks": [], "refusals": []}
        assert (bad[0], nowhere[0]) == (400, 404)
        assert not house.carrier.phones
        assert (await house.ask("GET", "/v1/ringback/audit"))[1]["data"] == []


async def test_asking_first_knows_rooms_and_help_as_well(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house)
        await house.ask("POST", "/v1/rooms", {"name": "shut", "properties": {"enable_dialout": False}})

        _, shut = await house.ask("POST", "/v1/rooms/shut/dialOut/check", {"phoneNumber": BERLIN})
        _, sos = await house.ask("POST", "/v1/rooms/desk/dialOut/check", {"phoneNumber": "+49110"})
        _, strange = await house.ask(
            "POST", "/v1/rooms/desk/dialOut/check", {"phoneNumber": BERLIN, "callerId": "+15005550006"}
        )

        assert shut["refusals"][0]["info"].startswith("dial-out not enabled for room")
        assert shut["refusals"][1]["status"] == 404
        assert sos["refusals"][0]["error"] == "number-not-allowed"
        assert strange["refusals"][0]["info"].startswith("Incorrect callerID!")


async def test_policies_are_the_operators_to_change_and_their_own_domains_to_see(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = {"Authorization": f"Bearer {await house.other_key('other')}"}
        await opened(house)

        async def as_other(method: str, path: str, body: object = None) -> tuple[int, Any]:
            response = await house.stranger.request(method, path, json=body, headers=key)
            return response.status_code, response.json()

        assert (await as_other("POST", "/v1/ringback/dialout-policy", {"countries": ["49"]}))[0] == 403
        assert (await as_other("GET", "/v1/ringback/dialout-policy?domain=acme"))[0] == 403
        assert (await as_other("GET", "/v1/ringback/audit?domain=acme"))[0] == 403
        assert (await as_other("GET", "/v1/ringback/audit?domain=*"))[0] == 403
        status, answer = await house.ask(
            "POST", "/v1/ringback/dialout-policy", {"domain": "other", "countries": ["49"], "longest_call_seconds": 60}
        )
        assert (status, answer["domain"], answer["own"]["countries"]) == (200, "other", ["49"])
        _, theirs = await as_other("GET", "/v1/ringback/dialout-policy")
        assert theirs["policy"]["countries"] == ["49"]
        assert (await house.ask("GET", "/v1/ringback/dialout-policy"))[1]["policy"]["countries"] == []
        reset = {"domain": "other", "countries": None}
        _, answer = await house.ask("POST", "/v1/ringback/dialout-policy", reset)
        assert answer["own"] == {"longest_call_seconds": 60}
        assert (await house.ask("POST", "/v1/ringback/dialout-policy", {"domain": "nobody"}))[0] == 404
        assert (await house.ask("POST", "/v1/ringback/dialout-policy", {"colour": "red"}))[0] == 400


async def test_a_flood_of_refusals_stays_small_and_says_how_many_there_were(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await opened(house, countries=["1"])

        for _ in range(150):
            await dial(house)
        await house.clock.run_for(10)
        await dial(house, "+4940123456")
        newest = []
        for _ in range(200):
            _, answer = await house.ask("GET", "/v1/ringback/audit?limit=1")
            newest = answer["data"]
            if newest and newest[0]["destination"] == "+4940123456":
                break
            await asyncio.sleep(0.01)

        assert newest[0]["not_written_before"] == 50
        assert answer["total_count"] == 101
        _, page = await house.ask("GET", f"/v1/ringback/audit?limit=2&starting_after={newest[0]['id']}")
        assert [int(entry["id"]) for entry in page["data"]] == [int(newest[0]["id"]) - 1, int(newest[0]["id"]) - 2]
        assert (await house.ask("GET", "/v1/ringback/audit?rule=do-not-call"))[1]["total_count"] == 0
        assert (await house.ask("GET", "/v1/ringback/audit?starting_after=x"))[0] == 400
