"""Who takes the calls to a number or a static address: a meeting's code, or a customer's server."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ringback.model.ids import DomainId
from ringback.model.values import dataclass


class DialinType(StrEnum):
    """How callers come in."""

    PIN = "pin_dialin"
    PINLESS = "pinless_dialin"


@dataclass(frozen=True, slots=True)
class DialinConfig:
    """One number or static address of a domain, and what happens to its callers.

    Attributes:
        phone_number: E.164; empty: only the address.
        address_user: User part of the static SIP address, unique on this server; empty for ``PIN``.
        secret: base64; signs what the customer's server is told.
        fields: What else was set, validated, in wire names.
        created_at: Unix seconds.
    """

    id: str
    domain: DomainId
    type: DialinType
    phone_number: str = ""
    address_user: str = ""
    secret: str = field(default="", repr=False)
    fields: Mapping[str, object] = field(default_factory=dict)
    created_at: float = 0.0

    def text(self, name: str) -> str:
        """A field that is text, empty when it is not set."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def message(self, name: str) -> str:
        """The ``message`` in a field that is an object, empty when there is none."""
        value = self.fields.get(name)
        found = value.get("message") if isinstance(value, Mapping) else None
        return found if isinstance(found, str) else ""
