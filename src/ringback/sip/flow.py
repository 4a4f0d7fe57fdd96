"""Where a message came from and where an answer goes."""

from typing import NamedTuple


class Flow(NamedTuple):
    """A far end as the network sees it: for TCP the connection, for UDP the address.

    Attributes:
        transport: ``udp`` or ``tcp``.
        host: IP address in text form, without brackets.
    """

    transport: str
    host: str
    port: int

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{shown}:{self.port}"
