"""What the stack tells its user about calls; ``telephony`` hands it on as ``calls.ports.carrier.CarrierEvents``."""

from ringback.model.ids import NO_DOMAIN, CallId, DomainId
from ringback.model.records import DialogRecord
from ringback.model.values import dataclass
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Row
from ringback.sip.registrar import Answer
from ringback.sip.replaces import Replaces
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new INVITE outside any dialog; 100 has gone out. ``dialog`` is the one an answer would create.

    Attributes:
        client, domain: The account that makes the call, proved; empty for a stranger.
    """

    call: CallId
    request: Request
    flow: Flow
    dialog: DialogRecord
    client: str = ""
    domain: DomainId = NO_DOMAIN
    replaces: CallId | None = None


@dataclass(frozen=True, slots=True)
class Registering:
    """A REGISTER that is in order. ``Agent.registered`` answers it, once its change is stored."""

    transaction: ServerTransaction
    answer: Answer


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up; with the text and Q.850 cause it gave."""

    call: CallId
    reason: str = ""
    q850: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    call: CallId
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Progress:
    """18x; ``fork`` is the tag of its early dialog."""

    call: CallId
    status: int
    reason: str
    body: bytes | None
    fork: str = ""
    wants_answer: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    call: CallId
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Our INVITE came to nothing. ``cause`` as in ``calls.ports.carrier.Failure``; status 0 when none came."""

    call: CallId
    status: int
    reason: str
    cause: str
    q850: int | None = None
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routed:
    """One of several ways is being tried: its number, from 0, and its trunk."""

    call: CallId
    attempt: int
    trunk: str


@dataclass(frozen=True, slots=True)
class DialogChanged:
    call: CallId
    dialog: DialogRecord


@dataclass(frozen=True, slots=True)
class Reoffered:
    call: CallId
    body: bytes | None


@dataclass(frozen=True, slots=True)
class ReofferAnswered:
    call: CallId
    body: bytes


@dataclass(frozen=True, slots=True)
class ReofferFailed:
    call: CallId
    status: int


@dataclass(frozen=True, slots=True)
class Digit:
    call: CallId
    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    call: CallId
    cause: str
    reason: str = ""
    q850: int | None = None


@dataclass(frozen=True, slots=True)
class PictureWanted:
    """``picture_fast_update`` (RFC 5168)."""

    call: CallId


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER that waits for ``Referrals.accept`` or ``refuse``; fields as in ``calls.ports.carrier.Refer``."""

    call: CallId
    id: str
    target: str
    referred_by: str
    replaces: Replaces | None
    headers: tuple[Row, ...]
    quiet: bool
    replaced: CallId | None = None


@dataclass(frozen=True, slots=True)
class Transferred:
    """How a REFER of ours goes, as ``calls.ports.carrier.CarrierEvents.refer_progress`` tells it."""

    call: CallId
    status: int
    reason: str
    final: bool
    notified: bool = False


@dataclass(frozen=True, slots=True)
class Lookup:
    """A name whose address a call's next request needs; ``Agent.located`` takes it. Not for calls."""

    call: CallId
    uri: SipUri
    transport: str


@dataclass(frozen=True, slots=True)
class Refused:
    """For the operator's log: which rule turned a request away. Strangers are not told."""

    rule: str
    flow: Flow


Event = (
    Incoming
    | Registering
    | Cancelled
    | Acknowledged
    | Progress
    | Answered
    | Failed
    | Routed
    | DialogChanged
    | Reoffered
    | ReofferAnswered
    | ReofferFailed
    | Digit
    | Ended
    | PictureWanted
    | Referred
    | Transferred
    | Lookup
    | Refused
)
