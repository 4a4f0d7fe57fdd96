"""What waiting callers hear: prompts, texts spoken once and kept, and music fetched from the web and kept."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import structlog

from ringback.media.sounds import LARGEST_FILE, BadSound, Prompts, joined, read_mp3, speak
from ringback.model.sound import Sound

log = structlog.get_logger()

MOST_KEPT = 32
"""Spoken texts, and pieces of music."""

KEPT_FOR = 600.0
"""Seconds after which music is fetched again."""

Fetch = Callable[[str, int], Awaitable[bytes]]
"""Of an address and the most octets it may have. Raises ``OSError`` in one sentence."""


class Jukebox:
    """Implements ``dialin.ports.Sounds``.

    Args:
        prompts: Packaged and own prompts.
        fetch: Gets a file from the web, by the rules for addresses that customers name.
        now: Seconds, rising.
    """

    def __init__(self, prompts: Prompts, fetch: Fetch, now: Callable[[], float]) -> None:
        self._prompts = prompts
        self._fetch = fetch
        self._now = now
        self._texts: OrderedDict[str, Sound] = OrderedDict()
        self._music: OrderedDict[str, tuple[float, Sound]] = OrderedDict()
        self._coming: dict[str, asyncio.Future[Sound | None]] = {}

    def prompt(self, name: str) -> Sound:
        return self._prompts.sound(name)

    def joined(self, sounds: Sequence[Sound]) -> Sound:
        return sounds[0] if len(sounds) == 1 else joined(sounds)

    async def spoken(self, text: str) -> Sound | None:
        if text not in self._texts:
            sound = await speak(text)
            if sound is None:
                return None
            self._texts[text] = sound
            while len(self._texts) > MOST_KEPT:
                self._texts.popitem(last=False)
        return self._texts[text]

    def ready(self, url: str) -> Sound | None:
        kept = self._music.get(url)
        return kept[1] if kept is not None and self._now() - kept[0] < KEPT_FOR else None

    async def music(self, url: str) -> Sound | None:
        if (sound := self.ready(url)) is not None:
            return sound
        if (coming := self._coming.get(url)) is None:
            coming = self._coming[url] = asyncio.ensure_future(self._get(url))
            coming.add_done_callback(lambda _: self._coming.pop(url, None))
        return await asyncio.shield(coming)

    async def _get(self, url: str) -> Sound | None:
        try:
            data = await self._fetch(url, LARGEST_FILE)
            sound = await asyncio.to_thread(read_mp3, data)
        except (OSError, BadSound) as error:
            # Its host only: what signs an address of somebody's storage is in the rest.
            log.warning("sounds.no-music", host=urlsplit(url).hostname, error=str(error))
            return None
        self._music[url] = (self._now(), sound)
        self._music.move_to_end(url)
        while len(self._music) > MOST_KEPT:
            self._music.popitem(last=False)
        return sound
