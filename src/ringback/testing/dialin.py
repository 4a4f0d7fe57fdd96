"""Dial-in by number without files, voices and a database."""

from collections.abc import Sequence

from ringback.model.dialin import DialinConfig
from ringback.model.sound import Sound


def sound_called(name: str) -> Sound:
    """A sound that is nothing but its name."""
    text = name.encode()
    return Sound(text + b" " * (len(text) % 2))


class FakeSounds:
    """Implements ``dialin.ports.Sounds``: every sound is its name, joined by ``+``.

    Attributes:
        web: Music that can be fetched: address → what it is called.
        speaks: Whether there is a voice.
    """

    def __init__(self) -> None:
        self.web: dict[str, str] = {}
        self.speaks = True
        self.fetched: list[str] = []

    def prompt(self, name: str) -> Sound:
        return sound_called(name)

    async def spoken(self, text: str) -> Sound | None:
        return sound_called(f"<{text}>") if self.speaks else None

    def ready(self, url: str) -> Sound | None:
        return sound_called(self.web[url]) if url in self.fetched else None

    async def music(self, url: str) -> Sound | None:
        if url not in self.web:
            return None
        self.fetched.append(url)
        return self.ready(url)

    def joined(self, sounds: Sequence[Sound]) -> Sound:
        return sound_called("+".join(name_of(sound) for sound in sounds))


def name_of(sound: Sound) -> str:
    """What a sound of ``sound_called`` is called."""
    return sound.pcm.decode().rstrip()


class MemoryConfigs:
    """Implements ``dialin.ports.ConfigStore``."""

    def __init__(self) -> None:
        self.rows: dict[str, DialinConfig] = {}

    async def all(self) -> Sequence[DialinConfig]:
        return list(self.rows.values())

    async def write(self, put: Sequence[DialinConfig], gone: Sequence[str]) -> None:
        for id in gone:
            self.rows.pop(id, None)
        self.rows.update({config.id: config for config in put})
