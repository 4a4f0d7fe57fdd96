"""``ringback phone`` as a process: our own telephone, from outside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interop.peers import tones
from interop.peers.process import OurCommand
from interop.peers.waiting import until


class Phone(OurCommand):
    """Our telephone in a terminal; events are read from its ``--json`` lines.

    Args:
        folder: For its microphone's tone, its recording and its log.
        arguments: ``("dial", uri, …)`` or ``("answer", …)``.
        hz: Its microphone.
        says: What its microphone gives instead of a tone.
    """

    def __init__(self, folder: Path, *arguments: str, hz: int = 440, says: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        tone = says or tones.write_tone(folder / "tone.wav", hz, seconds=60)
        self.recording = folder / "heard.wav"
        sound = ["--play", str(tone), "--record", str(self.recording), "--json"]
        super().__init__(["phone", *arguments, *sound], folder / "events.txt", cwd=folder)

    def events(self) -> list[Mapping[str, Any]]:
        """What it has said so far."""
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]

    async def event(self, kind: str, timeout_s: float = 30.0) -> Mapping[str, Any]:
        """The first event of a kind."""

        def seen() -> Mapping[str, Any] | None:
            return next((event for event in self.events() if event.get("event") == kind), None)

        try:
            return await until(seen, f"ringback phone says {kind}", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()[-4000:]}") from None

    async def events_of(self, kind: str, count: int, timeout_s: float = 30.0) -> list[Mapping[str, Any]]:
        """All events of a kind, once there are at least so many."""

        def seen() -> list[Mapping[str, Any]] | None:
            found = [event for event in self.events() if event.get("event") == kind]
            return found if len(found) >= count else None

        return await until(seen, f"ringback phone says {kind} {count} times", timeout_s)

    def hears(self, hz: float) -> bool:
        """Whether the last second of what it heard has a tone."""
        return tones.hears(self.recording, hz)
