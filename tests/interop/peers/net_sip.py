"""Net::SIP, a SIP stack in Perl, as a telephone that speaks PCMU (Debian's libnet-sip-perl)."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from interop.peers import tones
from interop.peers.process import Process
from interop.peers.waiting import free_port, until
from ringback.testing.carrier import sound

SCRIPT = Path(__file__).with_name("net_sip.pl")
MODULE = "/usr/share/perl5/Net/SIP.pm"


class NetSip:
    """A telephone that takes every call.

    Args:
        folder: Its own.
        hz: The tone that is its microphone.
        transport: ``udp`` or ``tcp``.
        account: Username, password and ``host:port`` of a registrar.
    """

    def __init__(
        self, folder: Path, *, hz: float = 440, transport: str = "udp", account: tuple[str, str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        name, home = ("dana", f"127.0.0.1:{port}") if account is None else (account[0], account[2])
        self.uri = f"sip:{name}@127.0.0.1:{port}" + (f";transport={transport}" if transport != "udp" else "")
        tone, self._heard = folder / "tone.ulaw", folder / "heard.ulaw"
        tone.write_bytes(sound.encode(sound.tone(hz, 10.0), "PCMU"))
        login = [] if account is None else list(account)
        me = f"sip:{name}@{home}"
        command: list[str | Path] = ["perl", SCRIPT, transport, str(port), me, tone, self._heard, *login]
        self._process = Process(command, folder / "log.txt", cwd=folder)

    async def __aenter__(self) -> Self:
        await self._process.start()
        await self.says("ready")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.stop()

    async def type(self, command: str) -> None:
        """``register``, ``call URI``, ``dtmf 12``, ``hold``, ``resume``, ``bye``."""
        await self._process.type(command)

    async def says(self, line: str, times: int = 1) -> None:
        """Wait until it has written a line that often."""

        def said() -> bool:
            return [one.strip() for one in self._process.output().splitlines()].count(line) >= times

        try:
            await until(said, f"Net::SIP says {line}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._process.output()[-3000:]}") from None

    def hears(self, hz: float) -> bool:
        """Whether the last second of what it heard has a tone."""
        if not self._heard.exists():
            return False
        heard = sound.decode(self._heard.read_bytes()[-8000:], "PCMU")
        samples = np.frombuffer(heard, np.int16) / 32768
        return len(samples) == 8000 and tones.level_db(samples, 8000, hz) > 30
