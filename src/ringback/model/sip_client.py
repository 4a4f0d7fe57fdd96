"""A plain SIP phone's account, and where it can be reached now."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringback.model.ids import DomainId


@dataclass(frozen=True, slots=True)
class SipClient:
    """One account. Its password is not kept, only what proves it.

    Attributes:
        username: Unique in its domain.
        realm: What the proofs were made for (RFC 7616 ``realm``).
        proofs: H(A1) by the algorithm's name in lower case. Worth as much as the password: never shown, sealed at rest.
        created_at, expires_at: Unix seconds; ``None``: it never expires.
        dials_numbers: Whether its phones may call telephone numbers, which cost: a password is then worth money.
    """

    id: str
    domain: DomainId
    username: str
    realm: str
    proofs: Mapping[str, str] = field(repr=False)
    created_at: float
    expires_at: float | None = None
    dials_numbers: bool = False

    def is_over(self, wall: float) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and self.expires_at <= wall


@dataclass(frozen=True, slots=True)
class Binding:
    """One place an account can be reached at (RFC 3261 §10), as it is stored.

    Attributes:
        key: What a later REGISTER for the same place has in common with this one.
        contact: URI of its Contact, as sent.
        transport, host, port: Where the REGISTER came from, which is where calls go: a phone behind a NAT is nowhere
            else.
        path: Proxies between it and us, in the order of the Path header (RFC 3327).
        instance, reg_id: RFC 5626; empty and 0 without.
        q: Preference, 0 to 1.
        call_id, cseq: Of the REGISTER that made it.
        expires_at: Unix seconds.
        user_agent: What it says it is.
    """

    key: str
    contact: str
    transport: str
    host: str
    port: int
    expires_at: float
    call_id: str
    cseq: int
    path: tuple[str, ...] = ()
    instance: str = ""
    reg_id: int = 0
    q: float = 1.0
    user_agent: str = ""
