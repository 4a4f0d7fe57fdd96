"""Ringback: rooms on your own machine in which browsers, telephones and voice agents meet."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ringback.client import join as join


def __getattr__(name: str) -> Any:
    """``ringback.join``, for those who ask: a server never loads its client."""
    if name == "join":
        from ringback.client import join

        return join
    raise AttributeError(f"module 'ringback' has no attribute {name!r}")
