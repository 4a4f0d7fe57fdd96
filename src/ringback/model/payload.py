"""A JSON object that is written out once, however many want its text: the store, and every client that is told."""

import json
from collections.abc import Mapping

_write = json.JSONEncoder(separators=(",", ":")).encode


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
            self._text = _write(self)
            return self._text


def json_text(value: Mapping[str, object]) -> str:
    """A mapping as JSON, without spaces."""
    return value.text if isinstance(value, Payload) else _write(value)
