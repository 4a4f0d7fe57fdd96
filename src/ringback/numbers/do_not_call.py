"""Asking a customer's or regulator's server which numbers are not to be called (``numbers.ports.DoNotCall``)."""

import json

from ringback.calls.ports.paid import PaidLeg
from ringback.rooms.ports import WallClock
from ringback.webhooks.ports import Poster
from ringback.webhooks.signing import headers


class SignedHook:
    """Asks by a signed POST before each call; 2xx lets it be made, everything else, silence included, does not.

    Args:
        poster: Sends it.
        url: Where to.
        secret: Signs it (base64), as webhooks are signed.
        clock: For the time that is signed.
    """

    def __init__(self, poster: Poster, url: str, secret: str, clock: WallClock) -> None:
        self._poster = poster
        self._url = url
        self._secret = secret
        self._clock = clock

    async def refusal(self, leg: PaidLeg) -> str | None:
        asked = {
            "number": leg.number,
            "domain_id": leg.asker.domain,
            "room": leg.room,
            "by": leg.by,
            "consent_reference": leg.consent or None,
        }
        body = json.dumps(asked).encode()
        posted = await self._poster.post(self._url, body, headers(self._secret, "", body, self._clock.wall()))
        if 200 <= posted.status < 300:
            return None
        if posted.status:
            return f"the operator's do-not-call service refused it ({posted.status})"
        return "the operator's do-not-call service could not be asked"
