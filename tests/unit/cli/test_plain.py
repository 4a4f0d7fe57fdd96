import pytest
import typer

from ringback.cli.client import show_fields, show_table
from ringback.cli.fail import fail
from ringback.cli.plain import plain

HOSTILE = "busy\x1b[2J\x07\u202etxt\u200f\r\n"


def test_nothing_that_steers_a_terminal_is_left() -> None:
    """D18."""
    assert plain(HOSTILE) == "busy?[2J??txt???"
    assert plain("Grüße, 東京 🎉") == "Grüße, 東京 🎉"


def test_what_a_far_end_gave_as_its_reason_is_plain_in_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail(HOSTILE)

    assert capsys.readouterr().err == "ringback: busy?[2J??txt???\n"


def test_values_inside_of_values_are_plain_in_tables_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"request": {"X-Name": HOSTILE}}
    show_table([row], {"request": "request"}, "none")
    show_fields(row)

    shown = capsys.readouterr().out
    assert not set(shown) & set(HOSTILE) - set("busy[2Jtxt\n")
