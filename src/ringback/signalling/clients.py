"""Every client of this process: who is in which meeting, and the mailbox each one's events go to."""

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from ringback.meetings.ports import Message, Seated, Told, Unseated
from ringback.meetings.seat import Seat
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.room import TokenGrants
from ringback.signalling.mailbox import Mailbox, body
from ringback.signalling.wire import SEND_LAYERS


class Socket(Protocol):
    """The connection a client has now."""

    def wake(self) -> None:
        """Its mailbox has something new, or it has been removed."""


@dataclass(slots=True)
class Client:
    """A client from its join to its leave, over any number of connections.

    Attributes:
        secret: Proves on resume that it is the same one.
        token: Digest of the token it came with, empty for none: what it does is counted as that token's.
        over: It has left or was removed: nothing more follows.
        limits: What it was told last that the layers of its tracks are to be at most, by track: a client that missed
            events is told again.
    """

    id: ParticipantId
    mailbox: Mailbox = field(default_factory=Mailbox)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    seat: Seat | None = None
    grants: TokenGrants | None = None
    token: str = ""
    socket: Socket | None = None
    over: bool = False
    limits: dict[str, object] = field(default_factory=dict)

    def wake(self) -> None:
        if self.socket is not None:
            self.socket.wake()


class Clients:
    """The register of clients. ``handle`` is the bus's subscriber."""

    def __init__(self) -> None:
        self._by_id: dict[ParticipantId, Client] = {}
        self._seated: dict[MeetingId, dict[ParticipantId, Client]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def expect(self, client: Client) -> None:
        """A client is about to join: what the meeting says to it from its first moment on has a place."""
        self._by_id[client.id] = client

    def forget(self, client: Client) -> None:
        """It was not let in, or it is gone."""
        client.over = True
        self._by_id.pop(client.id, None)
        for meeting, seated in list(self._seated.items()):
            if seated.get(client.id) is client:
                self._remove(meeting, client.id)

    def find(self, session_id: str, secret: str) -> Client | None:
        """The client that may resume as ``session_id``."""
        client = self._by_id.get(ParticipantId(session_id))
        if client is None or client.over or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            return None
        return client

    def handle(self, message: Message) -> None:
        """Pass a meeting's message on to the clients it is for."""
        match message:
            case Seated(meeting, who):
                if client := self._by_id.get(who):
                    self._seated.setdefault(meeting, {})[who] = client
            case Unseated(meeting, who, error):
                self._unseat(meeting, who, error)
            case Told():
                self._tell(message)

    def _unseat(self, meeting: MeetingId, who: ParticipantId, error: tuple[str, str] | None) -> None:
        client = self._remove(meeting, who) or self._by_id.get(who)
        if client is None:
            return
        self._by_id.pop(who, None)
        if error is not None:
            kind, msg = error
            client.mailbox.put(body("error", {"errorMsg": msg, "error": {"type": kind, "msg": msg}}))
        client.over = True
        client.wake()

    def _tell(self, told: Told) -> None:
        seated = self._seated.get(told.meeting)
        if not seated:
            return
        frame = body(told.name, told.payload)
        for who in told.to if told.to is not None else tuple(seated):
            client = seated.get(who)
            if client is not None and who != told.but:
                if told.name == SEND_LAYERS:
                    client.limits[str(told.payload["track"])] = told.payload["layers"]
                client.mailbox.put(frame)
                client.wake()

    def _remove(self, meeting: MeetingId, who: ParticipantId) -> Client | None:
        seated = self._seated.get(meeting)
        if seated is None:
            return None
        client = seated.pop(who, None)
        if not seated:
            del self._seated[meeting]
        return client
