"""Where a room is found: its page's URL and its SIP addresses."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from ringback.model.domain import Domain
from ringback.model.room import Room


def sip_address(user: str, sip_domain: str, bare: bool = False) -> str:
    """``sip:<user>@<domain>``, or without the scheme for programs that add it themselves."""
    return f"{user}@{sip_domain}" if bare else f"sip:{user}@{sip_domain}"


@dataclass(slots=True)
class Addresses:
    """What this installation is called from outside. ``app`` fills it in once its listeners have their ports.

    Attributes:
        public_url: Base URL without a trailing slash. The first domain's rooms are right under it, another domain's
            under ``<domain>.<host>``.
        sip_domain: Host part of SIP addresses, with the port unless it is the default of the scheme.
        bare_endpoints: Whether REST writes SIP addresses without ``sip:``.
    """

    public_url: str
    sip_domain: str
    bare_endpoints: bool = False

    def room_url(self, room: Room, domain: Domain, *, first: bool = True) -> str:
        """The room's page; its name is the one and only path segment."""
        if first:
            return f"{self.public_url}/{room.name}"
        scheme, netloc, *_ = urlsplit(self.public_url)
        return urlunsplit((scheme, f"{domain.name}.{netloc}", f"/{room.name}", "", ""))

    def sip_uri(self, room: Room) -> dict[str, object] | None:
        """``config.sip_uri``: the first endpoint, and the others only when there are others."""
        if not room.endpoints:
            return None
        first, *others = (sip_address(user, self.sip_domain, self.bare_endpoints) for user in room.endpoints)
        return {"endpoint": first, **({"extra_endpoints": others} if others else {})}
