"""``Stage`` with real SIP: our stack and those of the phones, on a network with delay, loss and disorder, in no time.

```python
async with SipStage(loss=0.2) as stage:
    room = stage.rooms.put("hello", endpoints=1)
    await stage.join("hello", "Ann")
    phone = await stage.phone("10.0.0.2")
    call = phone.dial_room(room.room.endpoints[0])
    await stage.wait(5)
    assert phone.agreed(call)
```
"""

from types import TracebackType
from typing import Any

from ringback.calls.ports.carrier import Carrier, IncomingInvite
from ringback.calls.ports.clock import Clock
from ringback.calls.service import Calls
from ringback.model.ids import CallId
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer
from ringback.telephony.service import Telephony, TelephonySettings
from ringback.testing.clock import MortalClock
from ringback.testing.link import LinkWire, Network, SeededChance, Station
from ringback.testing.records import MemoryRecords
from ringback.testing.stage import Stage

SERVER = "10.0.0.1"
LINGER = 40.0
"""Seconds after which no transaction may remember a call any more (RFC 3261: 64·T1, and a little)."""


class SipPhone(Station):
    """A phone that speaks real SIP; its sound is only described.

    Attributes:
        codecs: What it offers and takes, best first.
        picks_up: Whether it answers by itself, and after how many seconds of ringing.
    """

    def __init__(self, network: Network, host: str) -> None:
        super().__init__(network, host)
        self.codecs: tuple[str, ...] = ("PCMU", "PCMA")
        self.picks_up: float | None = None
        self._offers: dict[CallId, bytes] = {}
        self.on["incoming"] = self._ring

    def dial_room(self, user: str, query: str = "", headers: tuple[tuple[str, str], ...] = ()) -> CallId:
        """Call an endpoint of the server."""
        offer = make_offer(1, 1, self.host, 14000, self.codecs)
        call = self.dial(f"sip:{user}{query}@{SERVER}", offer, headers)
        self._offers[call] = offer
        return call

    def agreed(self, call: CallId) -> Negotiated | None:
        """What one of its own calls negotiated, ``None`` when it was not answered."""
        for told, sdp in self.all("answered"):
            if told == call and sdp is not None:
                return read_answer(self._offers[call], sdp)
        return None

    def status(self, call: CallId) -> int | None:
        """Final refusal one of its own calls got."""
        return next((failure.status for told, failure in self.all("failed") if told == call), None)

    def incoming(self) -> IncomingInvite:
        """The last call it got."""
        invite: IncomingInvite = self.last("incoming")
        return invite

    def pick_up(self) -> None:
        """Answer the last call it got."""
        invite = self.incoming()
        assert invite.offer is not None, "the server always offers"
        sdp, _ = make_answer(invite.offer, self.host, 14000, self.codecs, session_id=1, version=1)
        self.telephony.answer(invite.call, sdp)

    def hold(self, call: CallId, on: bool = True) -> None:
        """re-INVITE that puts the server on hold, or takes it back."""
        direction = "sendonly" if on else "sendrecv"
        self.telephony.offer(call, make_offer(1, 2, self.host, 14000, self.codecs, direction))

    def _ring(self, invite: IncomingInvite) -> None:
        self.telephony.ring(invite.call)
        if self.picks_up is not None:
            clock = self.network.clock
            clock.call_at(clock.monotonic() + self.picks_up, self.pick_up)


class SipStage(Stage):
    """See ``Stage``; ``telephony`` takes the place of ``carrier``.

    Args:
        records: Records of an earlier life.
        link: ``seed``, ``delay``, ``loss``, ``duplicate``, ``reorder`` of the network.
    """

    def __init__(self, records: MemoryRecords | None = None, *, check: bool = True, **link: Any) -> None:
        super().__init__(records, check=check)
        self.network = Network(self.clock, **link)
        self.phones: list[SipPhone] = []
        self.telephony: Telephony
        self._wire: LinkWire
        self._mortal: MortalClock

    async def kill(self) -> "SipStage":
        """The process is gone in this instant, without a word. Answers with the next one: same rows, same network."""
        self._mortal.die()
        await self._wire.stop()
        self._wire.network = Network(self.clock)
        after = SipStage(self.records.snapshot(), check=self._check)
        after.clock, after.network, after.rooms, after.phones = self.clock, self.network, self.rooms, self.phones
        self._check, self.phones = False, []
        return after

    async def phone(self, host: str = "10.0.0.2") -> SipPhone:
        """A phone at an address of its own."""
        phone = SipPhone(self.network, host)
        await phone.start()
        self.phones.append(phone)
        return phone

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        check, self._check = self._check, False
        await super().__aexit__(kind, error, trace)
        if kind is None and check:
            await self.wait(LINGER)
            self.assert_idle()
            assert self.telephony.idle, "the server's stack remembers something"
            assert all(phone.telephony.idle for phone in self.phones), "a phone's stack remembers something"
        await self.telephony.stop()
        for phone in self.phones:
            await phone.telephony.stop()

    def _server_clock(self) -> Clock:
        return self._mortal

    async def _open_carrier(self, epoch: int) -> Carrier:
        self._mortal = MortalClock(self.clock)
        self._wire = self.network.attach(SERVER)
        self.telephony = Telephony(
            TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None, hold_ack=True),
            self._mortal,
            wire=self._wire,
            chance=SeededChance(f"server {epoch}"),
        )
        await self.telephony.start()
        return self.telephony

    def _connect_carrier(self, calls: Calls) -> None:
        self.telephony.report_to(calls)
