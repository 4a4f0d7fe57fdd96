"""Which m-lines a bot asks for, and what it tells the server of them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ringback.client.errors import CallError, Refused
from ringback.client.media import Line, Offer
from ringback.client.peer import Peer, Stream

ANSWER = "v=0\r\na=candidate:1 1 udp 2130706175 192.0.2.1 7882 typ host\r\n"
ANN, BOB = Stream("ann", 1), Stream("bob", 1)


class OneLine(Line):
    """A line whose offers are numbers, and whose path is there once it was answered."""

    def __init__(self) -> None:
        self.offers: list[tuple[bool, int, list[str], bool]] = []
        self.peer: Peer | None = None
        self._last = 0

    def _mid(self) -> str:
        self._last += 1
        return str(self._last)

    async def offer(self, *, send: bool, receive: int, stop: list[str], restart: bool = False) -> Offer:
        if not (send or receive or stop or restart):
            return Offer("", None, ())
        self.offers.append((send, receive, stop, restart))
        return Offer("v=0", self._mid() if send else None, tuple(self._mid() for _ in range(receive)))

    async def answer(self, sdp: str) -> None:
        assert self.peer is not None
        self.peer.handle_state("connected")


class Room:
    """A server that answers offers, and refuses as many as it is told to."""

    def __init__(self) -> None:
        self.line = OneLine()
        self.tables: list[Mapping[str, Any]] = []
        self.refuses: list[CallError] = []
        self.refused: list[Mapping[str, str]] = []
        self.asked = asyncio.Event()
        self.count = 0
        self.failed: list[CallError] = []
        self.path: list[str] = []
        self.peer = Peer(self.line, self.request, lambda: None, self.path.append, self.failed.append)
        self.line.peer = self.peer

    async def request(self, kind: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        assert kind == "offer"
        self.count += 1
        self.asked.set()
        if self.refuses:
            raise self.refuses.pop()
        self.tables.append(fields)
        return {"sdp": ANSWER, "refused": self.refused}

    async def answered(self, count: int) -> None:
        """Wait until so many offers were made, and the answer to the last was taken."""
        async with asyncio.timeout(20):
            while self.count < count:
                await self.asked.wait()
                self.asked.clear()
        for _ in range(5):
            await asyncio.sleep(0)


def heard(table: Mapping[str, Any]) -> dict[str, str]:
    return {line["mid"]: line["session_id"] for line in table["receive"]}


async def test_each_stream_has_an_m_line_of_its_own_and_what_is_said_keeps_one():
    room = Room()
    room.peer.want({ANN})
    await room.peer.connect()
    assert (room.tables[0]["send"], heard(room.tables[0])) == ([{"mid": "1", "track": "audio"}], {"2": "ann"})

    room.peer.want({ANN, BOB})
    await room.answered(2)
    room.peer.want({Stream("ann", 2), BOB})
    await room.answered(3)

    assert heard(room.tables[1]) == {"2": "ann", "3": "bob"}
    assert heard(room.tables[2]) == {"3": "bob", "4": "ann"}
    assert room.line.offers[2] == (False, 1, ["2"], False)
    assert (room.peer.mid_of("ann"), room.peer.mid_of("nobody")) == ("4", None)
    await room.peer.close()


async def test_a_stream_that_is_refused_is_not_asked_for_again():
    room = Room()
    await room.peer.connect()
    room.refused = [{"mid": "2", "reason": "not allowed"}]
    room.peer.want({ANN})
    await room.answered(3)

    assert [heard(table) for table in room.tables] == [{}, {"2": "ann"}, {}]
    assert room.line.offers[-1] == (False, 0, ["2"], False)
    await room.peer.close()


async def test_a_bot_that_may_not_speak_is_told_why():
    room = Room()
    room.refused = [{"mid": "1", "reason": "canSend"}]

    with pytest.raises(Refused, match="canSend"):
        await room.peer.connect()


async def test_an_offer_refused_three_times_is_the_end():
    room = Room()
    await room.peer.connect()
    room.refuses = [Refused("server-error", "no") for _ in range(3)]
    room.peer.want({ANN})
    await room.answered(4)

    assert [str(error) for error in room.failed] == ["the server refuses our sound: no"]
    await room.peer.close()


async def test_an_interrupted_path_is_looked_for_again_once_the_signalling_is_back():
    room = Room()
    await room.peer.connect()

    room.peer.handle_state("disconnected")
    room.peer.look_again()
    await room.answered(2)

    assert room.line.offers[-1] == (False, 0, [], True)
    assert room.path == ["interrupted", "resumed"]
    await room.peer.close()
