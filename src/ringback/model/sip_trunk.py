"""A customer's own SIP trunk: every call over it gets a room of its own (Daily: ``/sip-trunk``)."""

from collections.abc import Mapping
from dataclasses import field

from ringback.model.ids import DomainId
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class SipTrunk:
    """One trunk of a domain's. It gives nobody any rights but to have rooms made for its calls.

    Attributes:
        label: First part of its host name, ``<domain>-<name>``; unique on this server.
        template: Properties of the rooms made for its calls, in wire names.
        webhook_url, secret: Who is asked about each call, and what signs the question (base64).
        allowed_ips: IPv4 addresses and networks its calls come from; empty: from anywhere that can prove itself.
        username, password: What a call has to prove; empty: nothing.
        is_open: Takes calls from anybody, said outright.
        exp_offset: Seconds the rooms live.
    """

    id: str
    domain: DomainId
    name: str
    label: str
    description: str | None = None
    enabled: bool = True
    template: Mapping[str, object] = field(default_factory=dict)
    webhook_url: str = ""
    secret: str = field(default="", repr=False)
    allowed_ips: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    is_open: bool = False
    exp_offset: int = 3600
    created_at: float = 0.0
