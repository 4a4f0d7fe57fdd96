"""Twinkle 1.10 without a screen or a sound card: good for signalling; of sound it then sends one packet in all."""

from pathlib import Path
from types import TracebackType
from typing import Self

from interop.peers.process import Process
from interop.peers.waiting import until

PROFILE = """\
user_name=carol
user_domain=127.0.0.1
codecs=g711u,g711a
dtmf_transport=rfc2833
"""
PORT = 5060
"""Whatever it is told."""


class Twinkle:
    """A telephone that is told everything on its console.

    Args:
        folder: Its home.
        account: Password and ``host:port`` of a registrar where ``carol`` has an account.
    """

    uri = f"sip:carol@127.0.0.1:{PORT}"

    def __init__(self, folder: Path, *, account: tuple[str, str] | None = None) -> None:
        home = folder / ".twinkle"
        home.mkdir(parents=True)
        (folder / ".asoundrc").write_text("pcm.!default { type null }\nctl.!default { type null }\n")
        (home / "twinkle.cfg").write_text("")
        (home / "carol.cfg").write_text(PROFILE if account is None else PROFILE + _login(*account))
        # It may go on trying to log out for ever.
        command = ["timeout", "-k", "2", "120", "twinkle-console", "carol.cfg"]
        self._process = Process(command, folder / "log.txt", env={"HOME": str(folder)}, cwd=folder)
        self._home = home

    async def __aenter__(self) -> Self:
        await self._process.start()
        await self.says("Twinkle>")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.type("quit")
        try:
            await self._process.wait(3)
        except TimeoutError:
            await self._process.stop()

    async def type(self, command: str) -> None:
        """``call URI``, ``answer``, ``dtmf 12#``, ``hold``, ``retrieve``, ``transfer URI``, ``bye``."""
        await self._process.type(command)

    async def says(self, words: str, timeout_s: float = 30.0, times: int = 1) -> None:
        """Wait until its console has these words, that often."""
        try:
            await until(lambda: self._process.output().count(words) >= times, f"twinkle says {words}", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._process.output()[-3000:]}\n{self.log()[-6000:]}") from None

    def log(self) -> str:
        """Its own log, with every SIP message in and out."""
        return "".join(path.read_text(errors="replace") for path in sorted(self._home.glob("twinkle.log*")))


def _login(password: str, home: str) -> str:
    return (
        f"user_domain={home}\nauth_name=carol\nauth_pass={password}\nregistrar={home}\n"
        "register_at_startup=yes\nregistration_time=120\n"
    )
