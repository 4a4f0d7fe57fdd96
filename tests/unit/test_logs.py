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
