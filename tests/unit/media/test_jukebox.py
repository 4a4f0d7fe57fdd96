"""What waiting callers hear, fetched and kept."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from ringback.media.jukebox import KEPT_FOR, MOST_KEPT, Jukebox
from ringback.media.sounds import Prompts

MP3 = (Path(__file__).parents[2] / "vectors/sounds/tone-700hz-stereo.mp3").read_bytes()


class Web:
    """A web of one file."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 0.0
        self.body: bytes | None = MP3

    async def fetch(self, url: str, largest: int) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        if self.body is None:
            raise OSError("answered 404")
        return self.body


def jukebox(web: Web) -> Jukebox:
    return Jukebox(Prompts(), web.fetch, lambda: web.now)


async def test_music_is_fetched_once_for_all_who_wait_and_again_after_ten_minutes() -> None:
    web = Web()
    box = jukebox(web)
    assert box.ready("a") is None

    both = await asyncio.gather(box.music("a"), box.music("a"))

    assert both[0] is not None and both[0] == both[1] == box.ready("a")
    assert web.asked == ["a"]
    web.now = KEPT_FOR
    assert box.ready("a") is None and await box.music("a") is not None
    assert web.asked == ["a", "a"]


async def test_what_cannot_be_had_or_is_no_music_is_none_and_is_asked_for_again() -> None:
    web = Web()
    box = jukebox(web)
    for body in (None, b"<html>"):
        web.body = body
        assert await box.music("a") is None
    assert web.asked == ["a", "a"]


async def test_the_log_has_nothing_of_an_address_but_its_host() -> None:
    web = Web()
    web.body = None
    with capture_logs() as logs:
        await jukebox(web).music("https://user:word@cdn.example/music.mp3?signature=s3cret")
    assert [(line["event"], line["host"]) for line in logs] == [("sounds.no-music", "cdn.example")]
    assert "word" not in str(logs) and "s3cret" not in str(logs) and "music.mp3" not in str(logs)


async def test_what_is_kept_is_bounded() -> None:
    web = Web()
    box = jukebox(web)
    for number in range(MOST_KEPT + 1):
        await box.music(f"{number}")
    assert box.ready("0") is None and box.ready(f"{MOST_KEPT}") is not None
