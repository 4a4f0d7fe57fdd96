"""Numbers that no trunk is given: emergency services and short codes always, premium and satellite unless allowed.

A conference server knows neither where a caller is nor may it promise to reach help; a wrong call there costs lives.
Sources: ITU-T E.164 (country codes, shared codes 881, 882, 883, 979), ITU-T E.161.1 and national numbering plans.
"""

from ringback.numbers.e164 import closed_up, country_of, without_separators
from ringback.numbers.service_codes import behind_code

EVERYWHERE = frozenset({"112", "911", "999", "110", "118", "119", "000", "111", "113", "114", "115", "116", "117"})
"""Digits that mean help somewhere in the world; dialled bare they are never a subscriber."""

EMERGENCY: dict[str, frozenset[str]] = {
    "1": frozenset({"911", "112", "933", "988"}),
    "7": frozenset({"112", "101", "102", "103", "104"}),
    "20": frozenset({"112", "122", "123", "180"}),
    "27": frozenset({"112", "10111", "10177"}),
    "30": frozenset({"112", "100", "166", "199"}),
    "31": frozenset({"112"}),
    "32": frozenset({"112", "100", "101"}),
    "33": frozenset({"112", "15", "17", "18", "114", "115", "119", "191", "196"}),
    "34": frozenset({"112", "091", "061", "080"}),
    "36": frozenset({"112", "104", "105", "107"}),
    "39": frozenset({"112", "113", "115", "118"}),
    "40": frozenset({"112"}),
    "41": frozenset({"112", "117", "118", "144", "1414"}),
    "43": frozenset({"112", "122", "133", "144", "140", "141"}),
    "44": frozenset({"999", "112", "111", "101", "18000"}),
    "45": frozenset({"112", "114"}),
    "46": frozenset({"112"}),
    "47": frozenset({"110", "112", "113"}),
    "48": frozenset({"112", "997", "998", "999"}),
    "49": frozenset({"112", "110", "116117"}),
    "52": frozenset({"911", "066"}),
    "54": frozenset({"911", "100", "101", "107"}),
    "55": frozenset({"190", "192", "193", "112", "911"}),
    "56": frozenset({"131", "132", "133"}),
    "57": frozenset({"123", "112", "119"}),
    "61": frozenset({"000", "112", "106"}),
    "62": frozenset({"112", "110", "113", "118"}),
    "63": frozenset({"911", "112", "117"}),
    "64": frozenset({"111", "112"}),
    "65": frozenset({"999", "995", "112"}),
    "66": frozenset({"191", "199", "1669"}),
    "81": frozenset({"110", "119", "118"}),
    "82": frozenset({"112", "119"}),
    "84": frozenset({"112", "113", "114", "115"}),
    "86": frozenset({"110", "119", "120", "122"}),
    "90": frozenset({"112", "155", "110"}),
    "91": frozenset({"112", "100", "101", "102", "108"}),
    "234": frozenset({"112", "199"}),
    "254": frozenset({"112", "999"}),
    "351": frozenset({"112"}),
    "353": frozenset({"112", "999"}),
    "358": frozenset({"112"}),
    "420": frozenset({"112", "150", "155", "158"}),
    "852": frozenset({"999", "112"}),
    "886": frozenset({"110", "119", "112"}),
    "966": frozenset({"911", "997", "998", "999", "112"}),
    "971": frozenset({"999", "998", "997", "112"}),
    "972": frozenset({"100", "101", "102", "112"}),
}
"""Country code → emergency numbers as dialled there. Countries not listed: ``EVERYWHERE``."""

NO_HELP = "emergency services are not called from here: dial them from a telephone that knows where you are"

SHORTEST: dict[str, int] = {"1": 10, "33": 9, "44": 7, "49": 5, "61": 6, "81": 8, "86": 7, "91": 8}
"""Country code → digits a subscriber's number has at least, after the country code."""

SHORTEST_ELSEWHERE = 5

PREMIUM = (
    "+1900", "+1976", "+449", "+4487", "+49900", "+49137", "+33899", "+3389", "+34803", "+34806", "+34807", "+39899",
    "+41900", "+41901", "+41906", "+43900", "+43930", "+46900", "+46939", "+61190",
    "+870", "+881", "+882", "+883", "+979",
)  # fmt: skip
"""Prefixes that cost whoever pays for the call: premium rate and satellite."""


def refusal(number: str, country: str = "", *, allow_premium: bool = False) -> str | None:
    """Why a number is not called, in words; ``None`` when it may be.

    Args:
        number: As given or as rules left it: E.164, digits, or a service URN.
        country: Country code where digits without a plus are dialled; empty when unknown.
    """
    if number.lower().startswith("urn:service:") or number.lower() == "sos":
        return "emergency services are not called from here"
    digits = number.removeprefix("+")
    if _is_emergency(digits, number.startswith("+"), country):
        return NO_HELP
    if not number.startswith("+") and _is_emergency(behind_code(digits, country), False, country):
        return NO_HELP
    if number.startswith("+"):
        code = country_of(number)
        if len(digits) - len(code) < SHORTEST.get(code, SHORTEST_ELSEWHERE):
            return "it is too short for a subscriber's number: short codes are not called from here"
        if not allow_premium and number.startswith(PREMIUM):
            return "it is a premium or satellite number, and the trunk's allow_premium is off"
    elif digits.isdigit() and len(digits) <= 4:
        return "it is a short code: those are not called from here"
    return None


def is_help(text: str) -> bool:
    """Whether somebody wrote a way to call for help, in whatever form, before anything is made of it."""
    bare = closed_up(text.strip().lower())
    if bare.startswith("urn:service:") or bare == "sos":
        return True
    digits = bare.removeprefix("tel:").partition(";")[0].removeprefix("+")
    return bool(digits) and digits.isascii() and digits.isdigit() and _is_emergency(digits, False, "")


def help_digits(number: str, country: str) -> str:
    """What a country's emergency service is dialled as, of a number like ``+1911``; empty for any other number.

    Args:
        number: E.164 in form: the country code and the service's own digits.
        country: Where help is sent from.
    """
    digits = number.removeprefix(f"+{country}") if country and number.startswith(f"+{country}") else ""
    return digits if digits in EMERGENCY.get(country, EVERYWHERE) else ""


def address_refusal(user: str, parameters: str = "") -> str | None:
    """Why a ``sip:`` address that no trunk carries is not called; ``None`` when it may be.

    Short extensions of others' exchanges look like help of other countries, so only what means help on its own counts,
    unless the address says that it is a telephone number: a plus says so, too.
    """
    bare = without_separators(user.lower().partition(";")[0])
    if bare.startswith("+") and bare[1:].isdigit() and _is_emergency(bare[1:], True, ""):
        return NO_HELP
    if bare in ("112", "911", "999", "sos") or (("user=phone" in parameters or ";" in user) and is_help(bare)):
        return NO_HELP
    return None


def _is_emergency(digits: str, international: bool, country: str) -> bool:
    if digits in EVERYWHERE or digits in EMERGENCY.get(country, EVERYWHERE):
        return True
    if not international:
        # Dialled inside a country with its prefix: 0112, 00112.
        return digits.lstrip("0") in EVERYWHERE and len(digits) <= 6
    code = country_of(digits)
    national = digits[len(code) :]
    known = EMERGENCY.get(code, EVERYWHERE)
    return national in known or (len(national) <= 6 and national.lstrip("0") in known)
