"""Who in a room may dial, transfer and press keys: owners and participant admins, by their tokens; nobody else."""

from collections.abc import Mapping
from typing import Any

import pytest

from ringback.model.errors import Forbidden
from ringback.model.ids import RoomName
from ringback.model.room import TokenGrants
from ringback.signalling.connection import VERBS
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

TELEPHONY = {"dialout-start", "dialout-stop", "send-dtmf", "sip-call-transfer", "hold"}
"""Verbs that reach a telephone."""


def grants(permissions: Mapping[str, Any] | None = None, owner: bool = False) -> TokenGrants:
    return TokenGrants(DOMAIN, RoomName("hello"), is_owner=owner, permissions=permissions)


@pytest.mark.parametrize(
    ("token", "may"),
    [
        (None, False),
        (grants(), False),
        (grants({"canAdmin": False}), False),
        (grants({"canAdmin": ["streaming", "transcription"]}), False),
        (grants({"canSend": True}), False),
        (grants(owner=True), True),
        (grants({"canAdmin": True}), True),
        (grants({"canAdmin": ["participants"]}), True),
    ],
)
async def test_a_token_says_who_may_reach_telephones(token: TokenGrants | None, may: bool) -> None:
    """G4."""
    async with Stage() as stage:
        stage.rooms.put("hello")
        guest = await stage.join("hello", "Ann", grants=token)

        if may:
            guest.seat.require_admin()
        else:
            with pytest.raises(Forbidden):
                guest.seat.require_admin()


@pytest.mark.parametrize("verb", sorted(set(VERBS) & TELEPHONY | {name for name in VERBS if "transfer" in name}))
async def test_every_verb_towards_a_telephone_asks_that_first(verb: str) -> None:
    """G4. Before it looks at anything that the client says."""

    class Seat:
        asked = 0
        domain, room, id = DOMAIN, RoomName("hello"), "p"

        def require_admin(self) -> None:
            Seat.asked += 1
            raise Forbidden("only owners and participant admins may do this")

    with pytest.raises(Forbidden):
        await VERBS[verb](object(), Seat(), {"sessionId": 7, "options": 7, "hold": 7})  # type: ignore[arg-type]

    assert Seat.asked == 1
