"""Every field of a dial-out: its default, its limits, one past each, a wrong type, and a neighbour nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ringback.calls.requests import FIELDS, OWN_FIELDS, VIDEO_LIMITS, DialOutRequest, validate
from ringback.model.errors import InvalidRequest

SIP = {"sipUri": "sip:bob@pbx.example"}
PHONE = {"phoneNumber": "+12025550123"}
EXTENDED = {**PHONE, "extension": "1"}


@dataclass(frozen=True)
class Row:
    """One field.

    Attributes:
        path: Its name, dots going one level down.
        beside: What else the body needs.
        default: What it is when it is left out, as ``read`` reads it.
        good: Values at and within its limits, and what is read of them.
        bad: Values one past a limit, or out of shape.
        wrong: Values of wrong types.
    """

    path: str
    beside: Mapping[str, Any]
    read: str
    default: Any
    good: tuple[tuple[Any, Any], ...]
    bad: tuple[Any, ...]
    wrong: tuple[Any, ...]


NO_TEXT = (7, 1.5, True, [], {})
NO_WHOLE = ("1", 1.5, True, [], {})
LONG_URI = "sip:" + "a" * 496 + "@pbx.example"

# Wide rows: it is a table.
# ruff: noqa: E501
TABLE = (
    Row("sipUri", {}, "target", None,
        (("sip:a@b", "sip:a@b"), ("SIP:a@b", "sip:a@b"), ("sips:a@b", "sips:a@b"), ("sip:sip:a@b", "sip:a@b"), (LONG_URI, LONG_URI)),
        ("", "tel:+1", "http://a", LONG_URI.replace("a@", "aa@"), "sip:a@b?X-A=1%0d%0a", "sip:a@b?Route=c", "sip:é@b"),
        NO_TEXT),
    Row("phoneNumber", {}, "phone_number", None,
        (("+12025550123", "+12025550123"), ("+" + "9" * 15, "+" + "9" * 15), ("+12", "+12")),
        ("", "+", "12025550123", "+0123", "+" + "9" * 16, "+1 202", "+1202555x", "+１２０２"),
        NO_TEXT),
    Row("extension", PHONE, "extension", "",
        (("1", "1"), ("1" * 20, "1" * 20), ("09AD*#,w", "09AD*#,w"), ("", "")),
        ("1" * 21, "12;rm", "E", "١"),
        NO_TEXT),
    Row("waitBeforeExtensionDialSec", EXTENDED, "wait_before_extension", 0,
        ((0, 0), (1, 1), (60, 60), (60.0, 60)),
        (-1, 61, float("nan"), float("inf"), 1e300, 0.5),
        ("3", True, [], {})),
    Row("displayName", SIP, "display_name", "bob",
        (("a" * 199, "a" * 199), ("Ann", "Ann"), ("", "bob")),
        ("a" * 200,),
        NO_TEXT),
    Row("userId", SIP, "user_id", None, (("a" * 36, "a" * 36), ("", None)), ("a" * 37,), NO_TEXT),
    Row("callerId", PHONE, "caller_id", None,
        (("+14155550123", "+14155550123"), ("0a9c2f1e-0000-4000-8000-000000000000",) * 2),
        (),
        NO_TEXT),
    Row("video", SIP, "video", False, ((True, True), (False, False)), (), ("true", 1, 0, [], {})),
    Row("videoSettings", SIP, "target", SIP["sipUri"], (({}, SIP["sipUri"]),), (), ("x", 7, True, [])),
    *(
        Row(f"videoSettings.{name}", SIP, "target", SIP["sipUri"],
            ((1, SIP["sipUri"]), (most, SIP["sipUri"])), (0, -1, most + 1), NO_WHOLE)
        for name, most in VIDEO_LIMITS.items()
    ),
    Row("codecs", SIP, "audio_codecs", (), (({}, ()),), (), ("x", 7, True, [])),
    Row("codecs.audio", SIP, "audio_codecs", (),
        ((["OPUS"], ("OPUS",)), (["PCMA", "PCMU", "G722", "OPUS"], ("PCMA", "PCMU", "G722", "OPUS")), (["PCMU", "PCMU"], ("PCMU",))),
        ([], ["G729"], ["opus"], ["PCMU", "x"]),
        ("OPUS", 7, True, {}, [7], [None])),
    Row("codecs.video", SIP, "video", False, ((["H264", "VP8"], False),), ([], ["VP9"]), ("H264", 7, True, {}, [7])),
    Row("provider", SIP, "provider", "daily", (("daily", "daily"), ("signalwire", "signalwire")), ("acme", ""), NO_TEXT),
    Row("permissions", SIP, "permissions", {}, (({}, {}),), ({"canSend": True}, {"canAdmin": []}), ("x", 7, True, [])),
    Row("permissions.canReceive", SIP, "permissions", {},
        (({"base": False}, {"canReceive": {"base": False}}), ({"byUserId": {"u": {"audio": True}}}, {"canReceive": {"byUserId": {"u": {"audio": True}}}})),
        ({"base": {"smell": True}}, {"everyone": True}, {"byUserId": {"u": 7}}),
        ("x", 7, True, [])),
    Row("ringback", SIP, "longest", None, (({}, None),), (), ("x", 7, True, [])),
    Row("ringback.ringTimeoutSec", SIP, "ring_timeout", 60.0, ((5, 5.0), (300, 300.0)), (4.9, 301), ("5", True, [], {})),
    Row("ringback.maxDurationSec", SIP, "longest", None, ((1, 1.0), (86400, 86400.0)), (0, 86401), ("5", True, [], {})),
    Row("ringback.consentReference", SIP, "consent", "", (("a", "a"), ("a" * 200, "a" * 200)), ("", "a" * 201), NO_TEXT),
)  # fmt: skip


def body(row: Row, value: Any) -> dict[str, Any]:
    outer, dot, inner = row.path.partition(".")
    return {**row.beside, outer: {inner: value} if dot else value}


def cases(which: str) -> list[Any]:
    return [
        pytest.param(row, value, id=f"{row.path}={str(value)[:30]}") for row in TABLE for value in getattr(row, which)
    ]


def read(row: Row, given: Mapping[str, Any]) -> Any:
    found: DialOutRequest = validate(given)
    return getattr(found, row.read)


def test_no_field_is_left_out_of_the_table() -> None:
    paths = {row.path for row in TABLE}

    assert set(FIELDS) <= paths
    assert {f"videoSettings.{name}" for name in VIDEO_LIMITS} | {f"ringback.{name}" for name in OWN_FIELDS} <= paths


@pytest.mark.parametrize("row", [row for row in TABLE if row.beside], ids=lambda row: row.path)
def test_a_field_that_is_left_out_or_null_has_its_default(row: Row) -> None:
    assert read(row, row.beside) == row.default
    assert read(row, body(row, None)) == row.default


@pytest.mark.parametrize(("row", "case"), cases("good"))
def test_values_within_the_limits_are_taken(row: Row, case: tuple[Any, Any]) -> None:
    assert read(row, body(row, case[0])) == case[1]


@pytest.mark.parametrize(("row", "value"), [*cases("bad"), *cases("wrong")])
def test_one_past_a_limit_and_wrong_types_are_refused_by_name(row: Row, value: Any) -> None:
    with pytest.raises(InvalidRequest) as error:
        validate(body(row, value))

    words = {"sipUri": "SIP URI|sipUri", "phoneNumber": "phone number|phoneNumber|sip uri", "codecs.audio": "audio codec", "codecs.video": "video codec", "permissions.canReceive": "canReceive"}  # fmt: skip
    assert any(word in error.value.info for word in words.get(row.path, row.path).split("|")), error.value.info


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.path)
def test_a_neighbour_that_nobody_knows_is_refused_by_name(row: Row) -> None:
    outer, dot, _ = row.path.partition(".")
    neighbour = {outer: {"neighbour": 1}} if dot else {f"{outer}2": 1}

    with pytest.raises(InvalidRequest, match=r"neighbour|2\" is not allowed"):
        validate({**(row.beside or SIP), **neighbour})


@pytest.mark.parametrize("only_for", ["extension", "callerId"])
def test_what_is_for_numbers_alone_is_refused_with_an_address(only_for: str) -> None:
    with pytest.raises(InvalidRequest):
        validate({**SIP, only_for: "1"})
