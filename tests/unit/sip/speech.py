"""A generator of SIP as the grammar lets it be said (RFC 3261 §25.1): each message with what it means.

Names of headers long, short or in odd case; white space and folds wherever they may stand; quoted names with escapes;
hosts of every kind; parameters known and unknown; headers in any order. None of it is how anybody would write it.
"""

from dataclasses import dataclass

from hypothesis import strategies as st

TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
WORD = st.text("abcxyz019-_", min_size=1, max_size=10)
SPACE = st.sampled_from(["", " ", "  ", "\t", " \t ", "\r\n ", "\r\n\t "])
"""SWS: a fold is white space too."""
GAP = st.sampled_from([" ", "  ", "\t", "\r\n ", " \r\n  "])
"""LWS."""
BEFORE_COLON = st.sampled_from(["", " ", "\t"])
QUOTED = st.lists(
    st.one_of(
        st.text("abc XYZ,;<>@:=?&'", min_size=1, max_size=4),
        st.sampled_from(['\\"', "\\\\", "\\,", "\\a", "é", "名"]),
    ),
    max_size=6,
).map(lambda parts: '"' + "".join(parts) + '"')
LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.one_of(
    st.lists(LABEL, min_size=1, max_size=3).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
)
PORT = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
USER = st.text("abz019-_.!~*'()&=+$,;?/", min_size=1, max_size=10)
PARAMETERS = st.lists(
    st.tuples(WORD.map(lambda name: "p" + name), st.one_of(st.none(), TOKEN, QUOTED)),
    max_size=3,
    unique_by=lambda pair: pair[0].lower(),
)
URI_PARAMETERS = st.lists(
    st.sampled_from([";transport=udp", ";lr", ";user=phone", ";x=y", ";UNKNOWN=%20", ";ttl=15"]),
    max_size=2,
    unique=True,
).map("".join)
SHORT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Length": "l", "Content-Type": "c"}
METHODS = ["INVITE", "OPTIONS", "BYE", "REGISTER", "INFO", "UPDATE", "MESSAGE", "FOO"]


@dataclass(frozen=True)
class Said:
    """A request, and what was meant.

    Attributes:
        data: Its octets.
        extra: Names and values of headers nobody knows, in order.
    """

    data: bytes
    method: str
    uri: str
    call_id: str
    cseq: int
    from_tag: str
    branch: str
    body: bytes
    extra: tuple[tuple[str, str], ...]


@st.composite
def uris(draw: st.DrawFn) -> str:
    user = draw(st.one_of(st.just(""), USER.map(lambda user: user + "@")))
    scheme = draw(st.sampled_from(["sip:", "SIP:", "sips:"]))
    return scheme + user + draw(HOST) + draw(PORT) + draw(URI_PARAMETERS)


@st.composite
def parameters(draw: st.DrawFn) -> str:
    said = ""
    for name, value in draw(PARAMETERS):
        said += f"{draw(SPACE)};{draw(SPACE)}{name}"
        if value is not None:
            said += f"{draw(SPACE)}={draw(SPACE)}{value}"
    return said


@st.composite
def addresses(draw: st.DrawFn, tag: str = "") -> str:
    name = draw(st.one_of(st.just(""), QUOTED, st.lists(WORD, min_size=1, max_size=3).map(" ".join)))
    gap = draw(GAP) if name and not name.startswith('"') else draw(SPACE)
    more = f"{draw(SPACE)};{draw(SPACE)}tag{draw(SPACE)}={draw(SPACE)}{tag}" if tag else ""
    return f"{name}{gap if name else ''}<{draw(uris())}>{draw(parameters())}{more}"


@st.composite
def vias(draw: st.DrawFn, branch: str) -> str:
    slash = f"{draw(SPACE)}/{draw(SPACE)}"
    head = f"SIP{slash}2.0{slash}{draw(st.sampled_from(['UDP', 'TCP', 'TLS', 'udp']))}"
    where = f"{draw(GAP)}{draw(HOST)}{draw(PORT)}"
    return f"{head}{where}{draw(SPACE)};{draw(SPACE)}branch{draw(SPACE)}={draw(SPACE)}{branch}{draw(parameters())}"


@st.composite
def requests(draw: st.DrawFn) -> Said:
    """A request that a parser has to take."""
    method, uri = draw(st.sampled_from(METHODS)), draw(uris())
    call_id, cseq, tag = draw(WORD), draw(st.integers(0, 2**31 - 1)), draw(TOKEN)
    branch, body = "z9hG4bK" + draw(WORD), draw(st.binary(max_size=30))
    extra = tuple(draw(st.lists(st.tuples(WORD.map(lambda name: "X-" + name), TOKEN), max_size=3)))
    rows = [
        ("Via", draw(vias(branch))),
        ("From", draw(addresses(tag))),
        ("To", draw(addresses())),
        ("Call-ID", call_id),
        ("CSeq", f"{draw(st.sampled_from(['', '0', '000']))}{cseq}{draw(GAP)}{method}"),
        ("Max-Forwards", draw(st.sampled_from(["70", "0", "070"]))),
        ("Contact", f"<{draw(uris())}>{draw(parameters())}"),
        ("Content-Type", "application/x-test"),
        ("Content-Length", f"{draw(st.sampled_from(['', '0']))}{len(body)}"),
    ]
    order = draw(st.permutations([*rows, *extra]))
    lines = [f"{draw(_name(name))}{draw(BEFORE_COLON)}:{draw(SPACE)}{value}" for name, value in order]
    kept = tuple(pair for pair in order if pair in extra)
    head = "\r\n".join([f"{method} {uri} SIP/2.0", *lines])
    return Said(head.encode() + b"\r\n\r\n" + body, method, uri, call_id, cseq, tag, branch, body, kept)


def _name(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.upper(), name.lower(), SHORT.get(name, name), SHORT.get(name, name).upper()])
