"""The built module against what ``ringback.core`` promises of it."""

import inspect
import socket
from collections.abc import Iterator

import pytest
import ringback_core

from ringback.core import Engine, new_engine

VERBS = {name: verb for name, verb in vars(Engine).items() if not name.startswith("_") and callable(verb)}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 24000, 24007)
    yield engine
    engine.close()


def test_the_module_has_exactly_the_promised_verbs() -> None:
    built = {name for name in vars(ringback_core.Engine) if not name.startswith("_")}

    assert built == set(VERBS)


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_takes_the_promised_arguments(name: str) -> None:
    promised = list(inspect.signature(VERBS[name]).parameters)

    assert list(inspect.signature(getattr(ringback_core.Engine, name)).parameters) == promised


def test_every_verb_on_an_unknown_leg_does_nothing(engine: Engine) -> None:
    codec = {"name": "PCMU", "payload_type": 0, "receive_payload_type": 0, "clock_rate": 8000, "ptime_ms": 20}
    media = {"remote": None, "codec": codec, "receive": [], "send": True, "listen": True}

    engine.set_published("nobody", {"0": "audio"})
    engine.set_subscriptions("nobody", {"0": ("else", "audio")})
    engine.set_phone("nobody", media)
    engine.send_digits("nobody", "123", 100, 50)
    engine.set_sources("nobody", None)
    engine.set_muted("nobody", True)
    engine.close_leg("nobody")
    engine.close_room("nowhere")

    assert engine.push_pcm("nobody", b"\0\0") == engine.flush_pcm("nobody") == 0
    assert engine.read_pcm("nobody") == b""
    assert engine.stats("nobody") == {}


def test_a_port_in_use_is_named(engine: Engine) -> None:
    [port] = engine.webrtc_ports()

    with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
        new_engine("127.0.0.1", port, ["127.0.0.1"], "127.0.0.1", 24000, 24007)


def test_an_address_nobody_can_reach_is_not_advertised() -> None:
    with pytest.raises(OSError, match=r"0\.0\.0\.0"):
        new_engine("0.0.0.0", 0, [], "127.0.0.1", 24000, 24007)


@pytest.mark.parametrize("wrong", [{"name": "SPEEX"}, {"payload_type": "zero"}, {"payload_type": 300}])
def test_a_codec_that_makes_no_sense_is_refused(engine: Engine, wrong: dict[str, object]) -> None:
    codec = {"name": "PCMU", "payload_type": 0, "receive_payload_type": 0, "clock_rate": 8000, **wrong}

    with pytest.raises((ValueError, TypeError, OverflowError)):
        engine.set_phone("ann", {"remote": None, "codec": codec, "receive": []})


def test_ports_are_even_pairs_and_free_again_after_the_call(engine: Engine) -> None:
    engine.open_room("room")
    ports = [engine.open_phone("room", f"leg-{n}") for n in range(4)]

    assert sorted(ports) == [24000, 24002, 24004, 24006]
    with pytest.raises(OSError, match="24000-24007"):
        engine.open_phone("room", "one-too-many")
    engine.close_room("room")
    engine.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", 24000))


def test_closing_twice_is_closing_once(engine: Engine) -> None:
    engine.close()
    engine.close()

    engine.open_room("too late")
    assert engine.drain() == []
