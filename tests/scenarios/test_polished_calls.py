"""A room's wishes for the sound of its telephones reach the media of every call, whichever way it began."""

import pytest

from ringback.calls.ports.streams import PhonePolish
from ringback.testing.stage import Stage

WISHES = {
    "guard_phone_echo": PhonePolish(echo=True),
    "suppress_phone_noise": PhonePolish(noise=True),
    "level_phone_gain": PhonePolish(gain=True),
}


@pytest.mark.parametrize("wish", WISHES)
async def test_what_a_room_wishes_of_its_phones_sound_is_asked_of_the_media_and_stays_over_a_hold(wish: str):
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1, **{wish: True}).room.endpoints[0]
        await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user)
        await stage.settle()
        phone.hold()
        await stage.settle()
        phone.hold(False)
        await stage.settle()

        media = stage.media.legs[phone.call].media
        assert media is not None and media.polish == WISHES[wish]
        assert not media.dtmf_detect


async def test_keys_are_looked_for_in_the_sound_where_a_room_wishes_it():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1, detect_dtmf_tones=True).room.endpoints[0]
        await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user)
        await stage.settle()

        media = stage.media.legs[phone.call].media
        assert media is not None and media.dtmf_detect and media.polish == PhonePolish()
