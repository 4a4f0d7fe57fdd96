"""JSON that is written often: without spaces, and an event's once, however many want its text."""

import json
import json.encoder
from collections.abc import Callable, Mapping


def _writer(*, ascii: bool) -> Callable[[object], str]:
    """``JSONEncoder.encode`` with the part in C made once: CPython makes one for every text, which takes longer than
    most texts do. What holds itself is not looked for, and raises ``RecursionError``."""
    plain = json.JSONEncoder(separators=(",", ":"), ensure_ascii=ascii, check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    quote = json.encoder.encode_basestring_ascii if ascii else json.encoder.encode_basestring
    encode = make(None, plain.default, quote, None, ":", ",", False, False, True)
    join = "".join
    return lambda value: join(encode(value, 0))


write_json = _writer(ascii=True)
"""Any value as JSON, without spaces, in ASCII. Raises ``TypeError`` for what JSON has no word for."""

write_json_utf8 = _writer(ascii=False)
"""The same with all characters as they are."""


class Payload(dict[str, object]):
    """An event's JSON-ready payload. It must not change once its text was asked for."""

    __slots__ = ("_text",)

    _text: str

    @property
    def text(self) -> str:
        """It as JSON, without spaces."""
        try:
            return self._text
        except AttributeError:
            self._text = write_json(self)
            return self._text


def json_text(value: Mapping[str, object]) -> str:
    """A mapping as JSON, without spaces."""
    return value.text if isinstance(value, Payload) else write_json(value)
