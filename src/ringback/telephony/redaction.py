"""What of a SIP message nobody is shown: passwords and their proofs, media keys, digits somebody pressed."""

import re

from ringback.sip.grammar import clean

_FOLD = re.compile(r"\n[ \t]+")
_PROOF = re.compile(
    r"^((?:proxy-)?authorization[ \t]*:[ \t]*\w*|(?:proxy-)?authentication-info[ \t]*:).*$",
    re.IGNORECASE | re.MULTILINE,
)
_PASSWORD = re.compile(r"(sips?:(?!sips?:)[^@\s:;?<>]{0,256}):[^@\s:;?<>]{0,256}@", re.IGNORECASE)
_KEY = re.compile(r"(inline:)[^\s|;]*", re.IGNORECASE)
_OTHER_KEY = re.compile(r"^(k=|a=key-mgmt:|a=ice-pwd:).*$", re.IGNORECASE | re.MULTILINE)
_DIGITS = re.compile(r"""(\bdigits[ \t]*=[ \t]*["']?)[^"'\s/>]*""", re.IGNORECASE)
_HARMLESS = re.compile(r"[ \t]*(?:Duration[ \t]*=[ \t]*\d*)?[ \t]*", re.IGNORECASE)
_SIGNAL = re.compile(r"([ \t]*Signal[ \t]*[=:]).*", re.IGNORECASE)


def redact(data: bytes) -> str:
    """A message as text, with what must not be seen blotted out and no control characters but line ends.

    Digits come as the body of an INFO in many spellings, so of such a body only a duration stays.
    """
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    head, blank, body = text.partition("\n\n")
    head = _PASSWORD.sub(r"\1:***@", _PROOF.sub(r"\1 ***", _FOLD.sub(" ", head)))
    if head[:5].upper() == "INFO ":
        body = "\n".join(_info_line(line) for line in body.split("\n"))
    body = _DIGITS.sub(r"\1*", _OTHER_KEY.sub(r"\1***", _KEY.sub(r"\1***", body)))
    return "\n".join(clean(line) for line in f"{head}{blank}{body}".split("\n"))


def _info_line(line: str) -> str:
    if _HARMLESS.fullmatch(line):
        return line
    signal = _SIGNAL.fullmatch(line)
    return f"{signal[1]}*" if signal else "*"
