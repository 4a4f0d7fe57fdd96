"""Compares an answer with what a vector says it looks like.

Strings in angle brackets stand for a form: ``<uuid>``, ``<time>`` (ISO 8601, UTC, milliseconds), ``<name>`` (20 letters
and digits), ``<digits>`` (12), ``<sip>`` (``sip:``, 12 digits, the test's domain), ``<jwt>``, ``<text>``. A string
``$now+60``, in a request or an answer, is 60 s after the clock's time.
"""

import re
from typing import Any

FORMS = {
    "<uuid>": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "<name>": r"[A-Za-z0-9]{20}",
    "<digits>": r"\d{12}",
    "<sip>": r"sip:\d{12}@sip\.example\.test",
    "<jwt>": r"[\w-]+\.[\w-]+\.[\w-]+",
    "<text>": r".+",
}


def filled(value: Any, now: float) -> Any:
    """A vector's value with its times put in."""
    if isinstance(value, str) and (found := re.fullmatch(r"\$now([+-]\d+)", value)):
        return int(now) + int(found[1])
    if isinstance(value, dict):
        return {key: filled(each, now) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, now) for each in value]
    return value


def differences(wanted: Any, got: Any, where: str = "answer") -> list[str]:
    """Every place where the answer is not as wanted, in words."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        found = [f"{where}.{key} is missing" for key in wanted.keys() - got.keys()]
        found += [f"{where}.{key} should not be there: {got[key]!r}" for key in got.keys() - wanted.keys()]
        for key in wanted.keys() & got.keys():
            found += differences(wanted[key], got[key], f"{where}.{key}")
        return found
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [
            line
            for n, (w, g) in enumerate(zip(wanted, got, strict=True))
            for line in differences(w, g, f"{where}[{n}]")
        ]
    if isinstance(wanted, str) and any(form in wanted for form in FORMS):
        pattern = re.escape(wanted)
        for form, expression in FORMS.items():
            pattern = pattern.replace(re.escape(form), expression)
        return [] if isinstance(got, str) and re.fullmatch(pattern, got) else [f"{where} is {got!r}, not {wanted}"]
    same = wanted == got and isinstance(wanted, bool) == isinstance(got, bool)
    return [] if same else [f"{where} is {got!r}, not {wanted!r}"]
