"""How calls fail and end."""

import pytest

from ringback.calls.outcome import Q850, of_dialog_end, of_failure
from ringback.calls.ports.carrier import Failure
from ringback.model.end_reason import Ending, Fault


@pytest.mark.parametrize(
    ("failure", "rang", "ending", "fault"),
    [
        (Failure(486, "Busy Here"), True, Ending.BUSY, Fault.REMOTE),
        (Failure(603, "Decline"), True, Ending.DECLINED, Fault.REMOTE),
        (Failure(488, "Not Acceptable Here"), False, Ending.NO_COMMON_CODEC, Fault.REMOTE),
        (Failure(500, "Oops"), False, Ending.REJECTED, Fault.REMOTE),
        (Failure(408, "no answer", "timeout"), True, Ending.NO_ANSWER, Fault.REMOTE),
        (Failure(0, "no response", "timeout"), False, Ending.UNREACHABLE, Fault.NETWORK),
        (Failure(0, "refused", "transport"), False, Ending.UNREACHABLE, Fault.NETWORK),
        (Failure(0, "no address", "resolve"), False, Ending.UNRESOLVABLE, Fault.CALLER),
        (Failure(0, "not allowed", "policy"), False, Ending.REFUSED, Fault.CALLER),
    ],
)
def test_a_failure_says_what_happened_and_whose_fault_it_was(
    failure: Failure, rang: bool, ending: Ending, fault: Fault
):
    reason = of_failure(failure, rang)

    assert (reason.ending, reason.fault) == (ending, fault)
    assert failure.status in (0, reason.sip_status)


@pytest.mark.parametrize("status", [488, 606])
def test_who_does_not_take_encrypted_sound_alone_lacks_no_codec(status: int):
    failure = Failure(status, "Not Acceptable Here")

    assert of_failure(failure, False, demanded=True).ending is Ending.NOT_PROTECTED
    assert of_failure(failure, False).ending is Ending.NO_COMMON_CODEC
    assert of_failure(Failure(486, "Busy Here"), False, demanded=True).ending is Ending.BUSY


@pytest.mark.parametrize(
    ("cause", "status"), [("timeout", 408), ("transport", 503), ("resolve", 503), ("policy", None)]
)
def test_no_answer_at_all_counts_as_a_status_for_programs_that_look_at_it(cause: str, status: int | None):
    """RFC 3261 §8.1.3.1. What we refused ourselves was never sent, so it has none."""
    assert of_failure(Failure(0, "nothing", cause), False).sip_status == status


def test_the_far_ends_cause_is_kept():
    assert of_failure(Failure(486, "Busy Here", q850=17), True).q850 == 17
    assert of_dialog_end("bye", 16).q850 == 16


def test_an_unknown_end_of_a_dialog_is_nobodys_known_fault():
    assert of_dialog_end("something new", None).fault is Fault.UNKNOWN


def test_what_we_hang_up_for_has_a_cause_of_q850_where_the_network_knows_one():
    assert (Q850[Ending.HANGUP_LOCAL], Q850[Ending.NO_COMMON_CODEC], Q850[Ending.REFRESH_MISSED]) == (16, 88, 102)
    assert all(0 < cause < 128 for cause in Q850.values())
