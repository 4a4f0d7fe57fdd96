"""Room names: what is allowed, what is reserved, and how one is made up. Endpoint user parts likewise."""

import re
import string

from ringback.model.errors import InvalidRequest
from ringback.model.ids import EndpointUser, RoomName
from ringback.rooms.ports import Chance

LONGEST_NAME = 128
NAME = re.compile(r"[A-Za-z0-9_-]+")
GENERATED_NAME_LENGTH = 20
ENDPOINT_DIGITS = 12
CODE_DIGITS = 11

RESERVED = frozenset(
    ("v1", "rtc", "sip", "console", "phone", "sdk", "assets", "docs", "llms.txt", "healthz", "readyz", "metrics")
)
"""First path segments with another meaning."""


def room_name(value: object) -> RoomName:
    """Raises ``InvalidRequest`` for anything that cannot name a room."""
    if not isinstance(value, str):
        raise InvalidRequest('"name" must be a string')
    if not NAME.fullmatch(value):
        shown = "".join(character if character.isprintable() else "?" for character in value[:LONGEST_NAME])
        raise InvalidRequest(
            f"{shown} contains invalid characters (room names can contain A-Z, a-z, 0-9, '-', and '_')"
        )
    if len(value) > LONGEST_NAME:
        raise InvalidRequest(f"room names can be at most {LONGEST_NAME} characters long")
    if value in RESERVED:
        raise InvalidRequest(f"{value} is reserved and cannot name a room")
    return RoomName(value)


def new_room_name(chance: Chance) -> RoomName:
    """20 letters and digits."""
    return RoomName(_drawn(chance, string.ascii_letters + string.digits, GENERATED_NAME_LENGTH))


def new_endpoint(chance: Chance) -> EndpointUser:
    """12 random digits: a keypad can dial them, and they are hard to guess."""
    return EndpointUser(_drawn(chance, string.digits, ENDPOINT_DIGITS))


def new_dialin_code(chance: Chance) -> str:
    """11 random digits, the first one no zero: what callers enter to come into a room."""
    return _drawn(chance, "123456789", 1) + _drawn(chance, string.digits, CODE_DIGITS - 1)


def _drawn(chance: Chance, alphabet: str, length: int) -> str:
    """Characters from one draw: a system's source of chance is asked once, not once per character."""
    number = chance.getrandbits(8 * length + 64)  # far wider than needed, so that every character is as likely
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(alphabet))
        characters.append(alphabet[index])
    return "".join(characters)
