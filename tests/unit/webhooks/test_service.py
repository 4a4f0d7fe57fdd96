"""Webhooks over a real store, a virtual clock and an application's server in memory."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.store_house import DOMAIN, a_database, an_event
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, MeetingId
from ringback.model.records import EventRecord, Unit
from ringback.model.webhook import DeliveryState, WebhookState
from ringback.store.database import Database
from ringback.testing.clock import VirtualClock, settle
from ringback.testing.poster import FakePoster
from ringback.webhooks.outbox import WatchedRecords
from ringback.webhooks.ports import Posted
from ringback.webhooks.service import GATHER, Webhooks

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
BODY = {"url": "https://app.example.test/hook", "hmac": SECRET}


@dataclass
class House:
    webhooks: Webhooks
    poster: FakePoster
    clock: VirtualClock
    records: WatchedRecords
    database: Database

    async def happens(self, *events: EventRecord) -> None:
        await self.records.commit(Unit(events=events))

    def bodies(self) -> list[dict[str, Any]]:
        """What was delivered, without the probes."""
        return [body for each in self.poster.received if "type" in (body := json.loads(each.body))]

    async def settled(self, id: str, count: int) -> list[DeliveryState]:
        """Wait until so many deliveries have been settled; their states, oldest first."""
        while True:
            found = await self.webhooks.deliveries(DOMAIN, id, None, 100)
            states = [each.state for each in reversed(found)]
            if len(states) >= count and DeliveryState.PENDING not in states:
                return states
            # How it went is gathered for a moment before it is written.
            await self.clock.run_for(GATHER)


@asynccontextmanager
async def a_house(folder: Path, database: Database | None = None, clear_text: bool = False) -> AsyncIterator[House]:
    ids = iter(f"0000000{n}-0000-4000-8000-000000000000" for n in range(1, 9))
    clock, poster = VirtualClock(), FakePoster()
    async with a_database(folder) as opened:
        webhooks = Webhooks(
            opened.webhooks, poster, clock, lambda: next(ids), lambda: SECRET, most=2, clear_text=clear_text
        )
        async with webhooks:
            yield House(webhooks, poster, clock, WatchedRecords(opened.records, webhooks.news), opened)


def meeting(sequence: int, **changes: Any) -> EventRecord:
    return an_event(sequence, **{"name": "meeting-started", "payload": {"start_ts": 1.0}, "to": (), **changes})


async def test_an_address_is_tested_with_a_signed_probe_before_it_is_kept(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)

        assert (made.state, made.event_types) == (WebhookState.ACTIVE, ())
        (probe,) = house.poster.received
        assert (probe.url, probe.body) == ("https://app.example.test/hook", b'{"test":"test"}')
        assert probe.headers["X-Webhook-Signature"]


@pytest.mark.parametrize(("status", "shown"), [(204, "recvd 204"), (404, "recvd 404"), (0, "recvd undefined")])
async def test_an_address_that_does_not_answer_200_is_not_kept(tmp_path: Path, status: int, shown: str) -> None:
    async with a_house(tmp_path) as house:
        house.poster.status = status
        with pytest.raises(InvalidRequest, match=f"non-200 status code returned from webhook endpoint, {shown}"):
            await house.webhooks.create(DOMAIN, BODY)
        assert house.webhooks.all(DOMAIN) == []
        assert await house.database.webhooks.all() == []


async def test_an_address_in_the_clear_is_not_even_tested(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(InvalidRequest, match="https"):
            await house.webhooks.create(DOMAIN, {**BODY, "url": "http://app.example.test/"})
        assert house.poster.received == []


async def test_a_domain_has_only_so_many_and_sees_only_its_own(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        first = await house.webhooks.create(DOMAIN, BODY)
        await house.webhooks.create(DOMAIN, BODY)
        with pytest.raises(InvalidRequest, match="at most 2 webhooks"):
            await house.webhooks.create(DOMAIN, BODY)
        for other in (DomainId("other"),):
            with pytest.raises(NotFound):
                house.webhooks.get(other, first.id)
            with pytest.raises(NotFound):
                await house.webhooks.delete(other, first.id)


async def test_what_happens_is_delivered_signed_and_in_order_and_what_it_did_not_ask_for_is_not(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, {**BODY, "eventTypes": ["meeting.started"]})
        await house.happens(meeting(1), an_event(2, name="app-message"), meeting(3, name="meeting-ended"), meeting(4))

        assert await house.settled(made.id, 2) == [DeliveryState.DELIVERED, DeliveryState.DELIVERED]
        assert [body["id"][-1] for body in house.bodies()] == ["1", "4"]
        last_pushed = house.webhooks.get(DOMAIN, made.id).last_pushed
        assert last_pushed is not None
        assert made.created_at <= last_pushed <= house.clock.wall()


async def test_what_happened_before_a_webhook_was_made_is_not_its_business(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.happens(meeting(1))
        made = await house.webhooks.create(DOMAIN, BODY)
        await house.happens(meeting(2))

        await house.settled(made.id, 1)
        assert [body["id"][-1] for body in house.bodies()] == ["2"]


async def test_an_event_of_another_domain_is_not_told(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        await house.happens(meeting(1, domain=DomainId("other"), meeting=MeetingId("m-2")), meeting(2))

        await house.settled(made.id, 1)
        assert [body["payload"]["meeting_id"] for body in house.bodies()] == ["meeting-1"]


async def test_a_failed_delivery_comes_again_with_the_same_id(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        house.poster.answers = [500, 200]
        await house.happens(meeting(1))
        await house.poster.until(2)
        await settle()
        while len(house.bodies()) < 2:
            await house.clock.run_for(1.0)

        assert await house.settled(made.id, 1) == [DeliveryState.DELIVERED]
        first, second = house.bodies()
        assert first["id"] == second["id"]
        (delivery,) = await house.webhooks.deliveries(DOMAIN, made.id, None, 10)
        assert [attempt.status for attempt in delivery.attempts] == [500, 200]


async def test_a_server_that_is_down_opens_the_circuit_and_an_update_brings_what_was_owed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        house.poster.status = 503
        await house.happens(meeting(1))
        while house.webhooks.get(DOMAIN, made.id).state is WebhookState.ACTIVE:
            await house.clock.run_for(1.0)
        tried = len(house.bodies())
        await house.happens(meeting(2))
        await house.clock.run_for(3600.0)
        assert (tried, len(house.bodies())) == (3, 3)

        house.poster.status = 200
        back = await house.webhooks.update(DOMAIN, made.id, {})
        assert (back.state, back.failed_count) == (WebhookState.ACTIVE, 0)
        await house.settled(made.id, 2)
        assert [body["id"][-1] for body in house.bodies()[3:]] == ["1", "2"]


async def test_an_update_that_does_not_pass_its_test_changes_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        house.poster.status = 500
        with pytest.raises(InvalidRequest):
            await house.webhooks.update(DOMAIN, made.id, {"url": "https://new.example.test/"})
        assert house.webhooks.get(DOMAIN, made.id) == made


async def test_the_next_process_delivers_what_this_one_owed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        house.poster.status = 500
        await house.happens(meeting(1))
        await house.poster.until(2)
        # Written, and not even looked at for any webhook.
        await house.database.records.commit(Unit(events=(meeting(2),)))

    async with a_house(tmp_path) as house:
        while len(house.bodies()) < 2:
            await house.clock.run_for(1.0)
        await house.settled(made.id, 2)
        assert [body["id"][-1] for body in house.bodies()] == ["1", "2"]
        assert house.webhooks.get(DOMAIN, made.id).hmac == SECRET


async def test_a_delivery_can_be_sent_again_by_hand(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        await house.happens(meeting(1))
        await house.settled(made.id, 1)
        (delivery,) = await house.webhooks.deliveries(DOMAIN, made.id, None, 10)

        await house.webhooks.redeliver(DOMAIN, made.id, delivery.number)
        await house.settled(made.id, 1)
        assert len(house.bodies()) == 2
        with pytest.raises(NotFound):
            await house.webhooks.redeliver(DOMAIN, made.id, delivery.number + 1)


async def test_a_deleted_webhook_is_sent_nothing_more_and_leaves_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        await house.happens(meeting(1))
        await house.settled(made.id, 1)
        await house.webhooks.delete(DOMAIN, made.id)
        await house.happens(meeting(2))
        await settle()

        assert len(house.bodies()) == 1
        assert await house.database.webhooks.deliveries(made.id, None, 10) == []


async def test_a_bug_in_sending_costs_one_delivery_a_try_and_nothing_else(tmp_path: Path) -> None:
    class Broken(FakePoster):
        async def post(self, *arguments: Any) -> Posted:
            posted = await super().post(*arguments)
            if posted.status == 418:
                raise RuntimeError("a bug of ours")
            return posted

    async with a_house(tmp_path) as house:
        house.webhooks._poster = house.poster = Broken()
        made = await house.webhooks.create(DOMAIN, BODY)
        house.poster.answers = [418]
        await house.happens(meeting(1))
        while len(house.bodies()) < 2:
            await house.clock.run_for(1.0)
        assert await house.settled(made.id, 1) == [DeliveryState.DELIVERED]


async def test_how_many_deliveries_went_is_stored_in_few_units(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.webhooks.create(DOMAIN, BODY)
        store, units = house.database.webhooks, []
        settle_stored = store.settle

        async def counted(deliveries: Any, webhook: Any) -> None:
            units.append(len(deliveries))
            await settle_stored(deliveries, webhook)

        store.settle = counted  # type: ignore[method-assign]
        await house.happens(*(meeting(n, meeting=MeetingId(f"m-{n}")) for n in range(1, 41)))

        assert await house.settled(made.id, 40) == [DeliveryState.DELIVERED] * 40
        assert sum(units) == 40
        assert len(units) <= 4
