"""Commands with an idempotency key: the first is carried out, a repeat is answered as the first was.

What the first one changed and the fact that it was carried out are written in one unit of work. So after a kill a
repeat either finds the answer or is carried out as if it were the first. Of a dial-out the call's own row has the key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ringback.calls.concealed import Fingerprint, concealed, unkeyed
from ringback.calls.display_name import clean
from ringback.calls.ports.records import Records
from ringback.meetings.effects import Effect, Save
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import CommandRecord
from ringback.model.values import replace

DIAL_OUT = "dialOut/start"

Answer = Any
"""What is answered: JSON-ready; of a dial-out the id of its call."""

Remember = Callable[[Answer, Instant], list[Effect]]
"""Makes the effect that belongs to the command's own: that it was carried out, and what is answered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it was asked for: its verb, the room it is about and its body."""

    verb: str
    room: RoomName
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Running:
    asked: Asked
    answer: "asyncio.Future[Answer]"


class Repeats:
    """Commands that are carried out once for each key of a domain.

    Args:
        records: Where those of before are found.
        fingerprint: What is kept of digits.
    """

    def __init__(self, records: Records, fingerprint: Fingerprint = unkeyed) -> None:
        self._records = records
        self._fingerprint = fingerprint
        self._running: dict[tuple[DomainId, str], _Running] = {}

    async def once(
        self, domain: DomainId, key: str | None, asked: Asked, carry_out: Callable[[Remember], Awaitable[Answer]]
    ) -> Answer:
        """Carry a command out, or answer as it was answered before; without a key it is carried out each time.

        One that was refused may be tried again with its key.

        Raises:
            InvalidRequest: The key stood for something else before.
        """
        if key is None:
            return await carry_out(lambda answer, now: [])
        slot, asked = (domain, key), replace(asked, body=concealed(asked.body, self._fingerprint))
        if (running := self._running.get(slot)) is not None:
            _check(running.asked, asked, key)
            return await asyncio.shield(running.answer)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._running[slot] = _Running(asked, future)
        try:
            earlier = await self._earlier(domain, key)
            if earlier is not None:
                _check(earlier[0], asked, key)
                answer = earlier[1]
            else:
                answer = await carry_out(partial(_remember, domain, key, asked))
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # whoever waits has it; nobody waiting is no fault
            raise
        else:
            future.set_result(answer)
            return answer
        finally:
            del self._running[slot]

    async def _earlier(self, domain: DomainId, key: str) -> tuple[Asked, Answer] | None:
        call = await self._records.call_by_idempotency_key(domain, key)
        if call is not None:
            return Asked(DIAL_OUT, call.room, call.request), call.id
        command = await self._records.command(domain, key)
        if command is not None:
            return Asked(command.verb, command.room, command.request), command.answer
        return None


def _remember(domain: DomainId, key: str, asked: Asked, answer: Answer, now: Instant) -> list[Effect]:
    return [Save(CommandRecord(domain, key, asked.verb, asked.room, dict(asked.body), answer, now.wall))]


def _check(first: Asked, again: Asked, key: str) -> None:
    """A key stands for one request. Raises ``InvalidRequest`` naming what differs."""
    if first != again:
        other = "command" if first.verb != again.verb else "room" if first.room != again.room else "body"
        raise InvalidRequest(f"idempotency key {clean(key)} was used before with another {other}")
