"""The look-up rule of room endpoints: the user part of a dialled address is twelve digits, however it is wrapped."""

import re

from ringback.model.ids import EndpointUser

_DIGITS = re.compile(r"[0-9]{12}")


def endpoint_user(user: str) -> EndpointUser | None:
    """The endpoint a Request-URI's user part can name, ``None`` when it can name none.

    User parameters (``123;phone-context=…``), a password left by ``sip:sip:123@host`` and a leading plus that dial
    pads add are not part of it.
    """
    bare = user.partition(";")[0]
    head, colon, tail = bare.partition(":")
    if colon and head.lower() == "sip":
        bare = tail
    elif colon:
        bare = head
    bare = bare.removeprefix("+")
    return EndpointUser(bare) if _DIGITS.fullmatch(bare) else None
