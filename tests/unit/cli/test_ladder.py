"""How a call's messages are drawn."""

import pytest

from ringback.cli.ladder import can_draw, draw, picture_line
from unit.cli.ladder_messages import ACK, INVITE, OK, TRYING, row


def drawn(*rows: dict[str, str], plain: bool = False) -> list[str]:
    return [line.plain for line in draw(rows, plain)]


def test_each_message_is_an_arrow_with_the_time_since_the_first() -> None:
    lines = drawn(
        row(0.0, "in", INVITE),
        row(0.0012, "out", TRYING),
        row(1.5, "out", OK, sdp=True),
        row(1.52, "in", ACK),
        row(3, "out", "BYE sip:a@b SIP/2.0", cseq="1 BYE"),
        row(3.1, "in", "SIP/2.0 200 OK", cseq="1 BYE"),
    )

    assert lines == [
        "   seconds  them 192.0.2.1:5060 udp                     us",
        "     0.000  ── INVITE ───────────────────────────────────▶",
        "     0.001  ◀── 100 Trying ───────────────────────────────",
        "     1.500  ◀── 200 OK + SDP ─────────────────────────────",
        "     1.520  ── ACK ──────────────────────────────────────▶",
        "     3.000  ◀── BYE ──────────────────────────────────────",
        "     3.100  ── 200 OK (BYE) ─────────────────────────────▶",
    ]


@pytest.mark.parametrize(
    ("second", "ending"),
    [
        (row(0.5, "out", INVITE), "again "),
        (row(0.5, "out", INVITE, branch="other"), "INVITE "),
        (row(0.5, "out", INVITE, peer="192.0.2.2:5062"), "  192.0.2.2:5062 udp"),
    ],
)
def test_a_message_sent_again_and_another_far_end_are_told(second: dict[str, str], ending: str) -> None:
    line = drawn(row(0.0, "out", INVITE), second)[-1]

    assert line.rstrip("─").endswith(ending)


def test_what_was_refused_by_a_rule_of_ours_says_by_which() -> None:
    refused = {**row(1.0, "out", "SIP/2.0 403 Forbidden", cseq="2 BYE"), "rule": "BYE in a dialog from elsewhere"}

    assert drawn(row(0.0, "in", INVITE), refused)[2].endswith("  by our rule: BYE in a dialog from elsewhere")


def test_text_of_strangers_is_neither_markup_nor_control_nor_wider_than_the_ladder() -> None:
    lines = drawn(row(0.0, "out", INVITE), row(0.1, "in", "SIP/2.0 486 [red]x[/red]\x1b[2J\u202e" + "y" * 99))

    assert "[red]x[/red]?[2J?yyy" in lines[-1]
    assert len(lines[-1]) == len(lines[1])


def test_a_terminal_without_arrows_gets_plain_ones() -> None:
    lines = drawn(row(0.0, "in", INVITE), row(0.1, "out", "SIP/2.0 486 Bücher", cseq="1 INVITE"), plain=True)

    assert lines[1].endswith("->") and "<-- 486 B?cher --" in lines[2] and "".join(lines).isascii()
    assert can_draw("utf-8") and not can_draw("ascii") and not can_draw("no such encoding")


def test_of_a_forgotten_call_it_says_so() -> None:
    assert drawn() == ["Nothing is remembered of what was said in this call."]


def test_answers_that_say_no_are_red_and_those_that_say_yes_green() -> None:
    lines = draw([row(0.0, "out", INVITE), row(0.1, "in", "SIP/2.0 486 Busy"), row(0.2, "in", OK)])

    assert [str(line.spans[0].style) for line in lines[1:]] == ["cyan", "red", "green"]


WANTS_PICTURE = {"cseq": "2 INFO", "more": "Content-Type: application/media_control+xml\n"}


def test_what_happened_to_pictures_stands_between_the_messages() -> None:
    steps = [{"at": row(0.5, "in", OK)["at"], "step": "video-way", "way": "none", "why": "\x1bnobody"}]
    lines = [line.plain for line in draw([row(0.0, "out", INVITE), row(1.0, "in", OK)], pictures={"steps": steps})]

    assert [line.split()[0] for line in lines[1:]] == ["0.000", "0.500", "1.000"]
    assert lines[2] == "     0.500  video way: none, ?nobody"


def test_of_many_wishes_for_a_picture_the_first_each_way_is_drawn() -> None:
    asked = [row(at, "in", "INFO sip:a@b SIP/2.0", branch=str(at), **WANTS_PICTURE) for at in (1, 2, 3)]
    answers = [row(at, "out", OK, cseq="2 INFO", branch=str(at)) for at in (1, 2, 3)]
    ours = row(5, "out", "INFO sip:a@b SIP/2.0", branch="ours", **WANTS_PICTURE)

    lines = drawn(row(0.0, "out", INVITE), *asked, *answers, ours)

    assert [line.split()[0] for line in lines[1:]] == ["0.000", "1.000", "1.000", "5.000"]
    assert "INFO (wants a picture)" in lines[2]


def test_how_often_whole_pictures_were_asked_for_is_one_line() -> None:
    counted = {"asked": 1, "asked_by_info": 0, "received": 2, "wanted": 7, "wanted_by_info": 3}

    assert picture_line({"key_frames": counted}) == (
        "Pictures: we asked for a key frame once (0 by INFO, 2 came), the far end 7 times (3 by INFO)."
    )
