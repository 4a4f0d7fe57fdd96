"""What may stand in a log line."""

import io
import json
import logging

import pytest
import structlog

from ringback import logs
from ringback.logs import OncePerMinute, redact


@pytest.fixture
def lines() -> io.StringIO:
    structlog.reset_defaults()
    return io.StringIO()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("+15551234567", "+155…67"),
        ("call 4930123456 now", "call 4930…56 now"),
        ("sip:bob.smith@pbx.example", "sip:bob.…th@pbx.example"),
        ("<sips:ann@h;x=1>", "<sips:a…@h;x=1>"),
        ("sip:pbx.example", "sip:pbx.example"),
        ("Bearer abc.def", "Bearer [hidden]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJyIjoieCJ9.c2ln", "[token]"),
        ("5b1c0c56-1f0e-4b0a-9d53-0a51c6a4d0be", "5b1c0c56-1f0e-4b0a-9d53-0a51c6a4d0be"),
        ("127.0.0.1:50600", "127.0.0.1:50600"),
    ],
)
def test_numbers_users_and_tokens_are_shortened_and_ids_are_not(raw: str, shown: str) -> None:
    assert redact(raw) == shown


def test_text_from_strangers_stays_on_its_line_and_has_no_colour(lines: io.StringIO) -> None:
    logs.configure("text", stream=lines)
    structlog.get_logger().info("sip.refused", agent='evil"\r\n09:00:00 error fake\x1b[31m\u202e')
    (line,) = lines.getvalue().splitlines()
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "\\u000d\\u000a" in line


def test_json_lines_are_one_object_each(lines: io.StringIO) -> None:
    logs.configure("json", stream=lines)
    structlog.get_logger().warning("x", a="b\nc", n=1, ok=True, nothing=None)
    entry = json.loads(lines.getvalue())
    assert (entry["event"], entry["level"], entry["n"], entry["ok"]) == ("x", "warning", 1, True)


def test_secrets_are_hidden_by_the_name_of_their_key(lines: io.StringIO) -> None:
    logs.configure("text", stream=lines)
    structlog.get_logger().info("x", token="abc", password="def", api_key="ghi", Authorization="jkl", digits="123")
    assert not any(secret in lines.getvalue() for secret in ("abc", "def", "ghi", "jkl", "123"))


def test_a_logger_may_have_the_name_of_its_module(lines: io.StringIO) -> None:
    """The SIP side's loggers have: when names were not taken, its first refusal of a stranger was an exception."""
    logs.configure("text", stream=lines)
    structlog.get_logger("ringback.telephony.door").warning("sip.refused")
    assert "sip.refused" in lines.getvalue()


def test_lines_below_the_level_are_left_out(lines: io.StringIO) -> None:
    logs.configure("text", level="warning", stream=lines)
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    assert "quiet" not in lines.getvalue()
    assert "loud" in lines.getvalue()


def test_warnings_of_libraries_come_the_same_way(lines: io.StringIO) -> None:
    logs.configure("json", stream=lines)
    logging.getLogger("other").warning("calling %s", "+15551234567")
    assert json.loads(lines.getvalue())["message"] == "calling +155…67"


def test_a_source_gets_a_line_a_minute_that_counts_what_was_kept_back() -> None:
    now = [0.0]
    allowed = OncePerMinute(lambda: now[0])
    assert allowed("a") == 0
    assert [allowed("a") for _ in range(5)] == [None] * 5
    assert allowed("b") == 0
    now[0] = 61.0
    assert allowed("a") == 5


def test_sources_beyond_the_limit_share_one_line() -> None:
    allowed = OncePerMinute(lambda: 0.0, most=2)
    assert [allowed(source) for source in "abcde"] == [0, 0, 0, None, None]


class Gone:
    """A pipe whose reader has ended."""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_log_that_nobody_reads_any_more_costs_the_line_and_nothing_else():
    """`ringback dev | head` once left a server that could neither take calls nor end."""
    logs.configure("text", stream=Gone())

    structlog.get_logger().info("call.answered")


GOLDEN = [
    (
        ("info", "call.answered", {"call": "5b1c0c56-1f0e-4b0a-9d53-0a51c6a4d0be", "codec": "OPUS"}),
        "info    call.answered room=hello call=5b1c0c56-1f0e-4b0a-9d53-0a51c6a4d0be codec=OPUS",
        {"call": "5b1c0c56-1f0e-4b0a-9d53-0a51c6a4d0be", "codec": "OPUS"},
    ),
    (
        ("info", "call.ringing", {"remote": "sip:+15551234567@carrier.example", "sip_call_id": 'a b"c=d'}),
        'info    call.ringing room=hello remote=sip:+155…67@carrier.example sip_call_id="a b\'c=d"',
        {"remote": "sip:+155…67@carrier.example", "sip_call_id": 'a b"c=d'},
    ),
    (
        ("warning", "sip.refused", {"rule": "", "kept": 0, "ratio": 0.5, "late": True, "why": None}),
        'warning sip.refused room=hello rule="" kept=0 ratio=0.5 late=True why=None',
        {"rule": "", "kept": 0, "ratio": 0.5, "late": True, "why": None},
    ),
    (
        ("error", "odd", {"token": "abc", "digits": 1234, "number": 15551234567, "who": ("sip:bob@h", 1)}),
        "error   odd room=hello token=[hidden] digits=[hidden] number=15551234567 who=\"('sip:b…@h', 1)\"",
        {"token": "[hidden]", "digits": "[hidden]", "number": 15551234567, "who": "('sip:b…@h', 1)"},
    ),
    (
        ("info", "hostile", {"agent": 'evil"\r\n\x1b[31m\u202e', "long": "x" * 150 + "+4930123456789"}),
        'info    hostile room=hello agent="evil\'\\u000d\\u000a\\u001b[31m\\u202e" long=' + "x" * 150 + "+4930…89",
        {"agent": 'evil"\\u000d\\u000a\\u001b[31m\\u202e', "long": "x" * 150 + "+4930…89"},
    ),
    (
        (
            "warning",
            "library",
            {"logger": "other.lib", "message": "é \udcff \u0661\u0662\u0663\u0664\u0665\u0666\u0667"},
        ),
        'warning library room=hello logger=other.lib message="é \\udcff \u0661\u0662\u0663\u0664…\u0666\u0667"',
        {"logger": "other.lib", "message": "é \\udcff \u0661\u0662\u0663\u0664…\u0666\u0667"},
    ),
]
"""What is logged, its line without the time, and its own fields as JSON."""


@pytest.mark.parametrize(("said", "line", "fields"), GOLDEN)
def test_a_line_looks_like_this(
    lines: io.StringIO, said: tuple[str, str, dict[str, object]], line: str, fields: dict[str, object]
) -> None:
    level, event, values = said
    for _ in range(2):  # the second time from memory
        for format in ("text", "json"):
            structlog.reset_defaults()
            logs.configure(format, stream=lines)
            getattr(structlog.get_logger().bind(room="hello"), level)(event, **values)
    first, second, *again = lines.getvalue().splitlines()

    assert first[9:] == line
    shown = json.loads(second)
    assert list(shown) == ["room", *fields, "event", "level", "timestamp"]
    assert shown == {"room": "hello", **fields, "event": event, "level": level, "timestamp": shown["timestamp"]}
    assert [again[0][9:], list(json.loads(again[1]).values())[:-1]] == [line, list(shown.values())[:-1]]


def test_a_trace_follows_its_line_with_numbers_shortened(lines: io.StringIO) -> None:
    logs.configure("text", stream=lines)
    try:
        raise ValueError("+15551234567")
    except ValueError:
        structlog.get_logger().exception("broken")
    first, second, *_, last = lines.getvalue().splitlines()
    assert (first[9:], second, last) == ("error   broken", "Traceback (most recent call last):", "ValueError: +155…67")
