"""Where a call goes out: the ways of setting it up, and who finds them."""

from collections.abc import Sequence
from typing import Protocol

from ringback.calls.ports.paid import Grant
from ringback.model.ids import DomainId, RoomName
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way of setting up a call: over one host of one trunk, or straight to an address.

    Attributes:
        uri: Request-URI (and ``To``).
        trunk: Name of the trunk: its credentials, TLS policy, caps and rate apply. Empty: none has to do with it.
        proxy: Where it is sent first, as a ``sip:`` URI; empty for the host of ``uri``.
        transport: ``udp``, ``tcp`` or ``tls``; empty for what ``uri`` says.
        from_uri: Our ``From``, empty for the dialog's own.
        headers: Identity headers, made by us (``P-Asserted-Identity``, ``Remote-Party-ID``, ``Privacy``).
        codecs: Codec names it may use, best first; empty for any.
        dtmf: ``auto``, ``telephone-event``, ``sip-info``, ``in-band``.
        srtp: ``off``, ``optional``, ``required``.
        srtp_keys: ``sdes``, ``dtls``.
        media_networks: Networks (CIDR) its sound may come from, beside where it signals from.
        patience: Seconds without any answer (not even 100) after which the next attempt is made; ``None``: the stack's.
        offer: SDP for this attempt; empty for the call's own.
        caller_id: The number that is shown, E.164; empty for none.
    """

    uri: str
    trunk: str = ""
    proxy: str = ""
    transport: str = ""
    from_uri: str = ""
    headers: Sequence[tuple[str, str]] = ()
    codecs: tuple[str, ...] = ()
    dtmf: str = "auto"
    srtp: str = "off"
    srtp_keys: str = "sdes"
    media_networks: tuple[str, ...] = ()
    patience: float | None = None
    offer: bytes = b""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingRoute:
    """Where a call goes out.

    Attributes:
        attempts: Best first, at least one. The next one is made when nothing came, the network failed or 503 was
            answered, and never once a phone has rung.
        number: The number dialled after the rules that all trunks share, E.164; empty for a ``sip:`` address.
        caller_id: What is shown, as events name it: the id of an owned number, else E.164; empty for none.
        grant: What was granted to it, where it costs.
        emergency: It is a call for help: nothing is counted, and nothing may stop it.
    """

    attempts: tuple[Attempt, ...]
    number: str = ""
    caller_id: str = ""
    grant: Grant | None = None
    emergency: bool = False


class Routes(Protocol):
    """Which trunks carry a call out."""

    async def route(
        self, domain: DomainId, room: RoomName, destination: str, caller_id: str | None = None
    ) -> OutgoingRoute:
        """Find the way to ``destination``: an E.164 number with ``+``, or a ``sip:`` address.

        Raises:
            InvalidRequest: No trunk is set up, none takes this number, or ``caller_id`` is not one of the domain's; the
                text says what to set.
            Forbidden: An emergency number, a short code, or a number that every trunk's rules deny.
        """

    async def dialled(self, domain: DomainId, text: str) -> str:
        """The E.164 number that digits stand for as a telephone of the domain dials them; empty for none.

        Raises ``NumberNotAllowed`` for what calls help, or is a short code, in any country that the trunks are in.
        """
