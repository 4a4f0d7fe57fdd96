from ringback.calls.concealed import concealed, shown
from ringback.store.sealing import Sealer

ASKED = {"phoneNumber": "+15550100", "extension": "4321#,99", "ringback": {"consent": "c-1"}}


def test_what_is_kept_of_digits_tells_nobody_which_they_are_and_knows_them_again() -> None:
    """D17."""
    sealer = Sealer("secret")
    kept = concealed(ASKED, sealer.fingerprint)

    assert "4321" not in str(kept)
    assert kept == concealed(ASKED, sealer.fingerprint)
    assert kept != concealed({**ASKED, "extension": "4321#,98"}, sealer.fingerprint)
    assert kept["extension"] != concealed(ASKED, Sealer("another").fingerprint)["extension"], "it cannot be guessed"


def test_people_see_how_many_digits_there_were() -> None:
    kept = concealed({**ASKED, "tones": "12"}, Sealer("secret").fingerprint)

    assert shown(kept) == {**ASKED, "extension": "••••••••", "tones": "••"}
    assert shown({"extension": "4321"}) == {"extension": "••••"}, "as older rows have it"


def test_what_is_no_text_is_left_as_it_is() -> None:
    assert concealed({"extension": "", "tones": 5}, Sealer("s").fingerprint) == {"extension": "", "tones": 5}
