"""Settings: where they come from, who wins, and what a wrong one is told."""

import re
from pathlib import Path

import pytest

from ringback.config import (
    IDLE,
    ConfigError,
    Settings,
    env_name,
    idle_settings,
    load_settings,
    sample_file,
    setting_names,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("RINGBACK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problem(flags: dict[str, object] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(flags)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_laptop_needs_no_setting() -> None:
    settings = load_settings()

    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 7880)
    assert (settings.sip.host, settings.sip.port) == ("127.0.0.1", 5060)
    assert settings.media.rtp_range == (20000, 29999)
    assert settings.database() == "sqlite:///ringback-data/ringback.db"
    assert not settings.listens_beyond_loopback


def test_flags_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ringback.toml").write_text('node = "file"\nlog_format = "json"\n[http]\nport = 1\n[sip]\nport = 1\n')
    monkeypatch.setenv("RINGBACK_HTTP__PORT", "2")
    monkeypatch.setenv("RINGBACK_SIP__PORT", "2")

    settings = load_settings({"http": {"port": 3}, "node": None})

    assert (settings.http.port, settings.sip.port, settings.node, settings.log_format) == (3, 2, "file", "json")


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('node = "other"\n')
    monkeypatch.setenv("RINGBACK_CONFIG", str(tmp_path / "other.toml"))

    assert load_settings().node == "other"


def test_networks_are_a_list_in_the_file_and_comma_separated_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ringback.toml").write_text('[sip]\nknown = ["10.0.0.0/8", "2001:db8::7"]\n')
    assert load_settings().sip.known_networks == ("10.0.0.0/8", "2001:db8::7")

    monkeypatch.setenv("RINGBACK_SIP__KNOWN", "10.0.0.1, 192.0.2.0/24,")
    assert load_settings().sip.known_networks == ("10.0.0.1", "192.0.2.0/24")


def test_a_named_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_CONFIG", "nowhere.toml")

    assert problem() == "RINGBACK_CONFIG: there is no file nowhere.toml"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RINGBACK_SIP__PORT", "loud", "RINGBACK_SIP__PORT (sip.port in ringback.toml)"),
        ("RINGBACK_SIP__PORT", "70000", "RINGBACK_SIP__PORT (sip.port in ringback.toml)"),
        ("RINGBACK_SIP__PROT", "5060", "did you mean RINGBACK_SIP__PORT?"),
        ("RINGBACK_SIP__KNOWN", "10.0.0.0/8, home", "home is no network"),
        ("RINGBACK_SIP__NAME_SERVERS", "192.0.2.1:x", "192.0.2.1:x has no usable port"),
        ("RINGBACK_SIP__NAME_SERVERS", "dns.example", "dns.example is no IP address"),
        ("RINGBACK_SIP__ORIGINS", "https://a.example/page", "is no origin"),
        ("RINGBACK_SIP__PUBLIC_ADDRESS", "home", "home is no IP address"),
        ("RINGBACK_SIP__LOCAL_NETWORKS", "10/8", "10/8 is no network"),
        ("RINGBACK_SIP__HOST", "two words", "is no address to listen on"),
        ("RINGBACK_SIP__DSCP", "64", "RINGBACK_SIP__DSCP"),
        ("RINGBACK_SIP__MIN_SE", "60", "RINGBACK_SIP__MIN_SE"),
        ("RINGBACK_SIP__MIN_SE", "3600", "min_se is not longer than session_expires"),
        ("RINGBACK_COLOUR", "red", "RINGBACK_COLOUR is not a setting of this version"),
        ("RINGBACK_MEDIA__RTP_PORTS", "9-1", "RINGBACK_MEDIA__RTP_PORTS"),
        ("RINGBACK_MEDIA__PUBLIC_ADDRESS", "home", "RINGBACK_MEDIA__PUBLIC_ADDRESS"),
        ("RINGBACK_PUBLIC_URL", "https://a.example/rooms", "RINGBACK_PUBLIC_URL"),
        ("RINGBACK_LOG_FORMAT", "xml", "RINGBACK_LOG_FORMAT"),
        ("RINGBACK_HTTP__CERTIFICATE", "cert.pem", "certificate and key are set together or not at all"),
        ("RINGBACK_API_KEY", "two words", "RINGBACK_API_KEY"),
        ("RINGBACK_NODE", "a b", "RINGBACK_NODE"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)

    assert says in problem()


@pytest.mark.parametrize("text", ["colour = 1", "[sip]\nprot = 1", "[http", "node = ", "sip = 1"])
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "ringback.toml").write_text(text)

    assert "ringback.toml" in problem()


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_API_KEY", "")
    monkeypatch.setenv("RINGBACK_HTTP__KEY", "")

    assert load_settings().api_key is None


def test_limits_can_be_switched_off_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_HTTP__RATE_LIMITS", "off")

    assert load_settings().http.rate_limits is False


def test_what_an_orchestrator_injects_for_a_service_of_our_name_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("RINGBACK_PORT_7880_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("RINGBACK_PORT", "tcp://10.0.0.1:7880")

    load_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "rooms.example"])
def test_listening_for_others_is_noticed(host: str) -> None:
    assert load_settings({"http": {"host": host}}).listens_beyond_loopback
    assert load_settings({"sip": {"host": host}}).listens_beyond_loopback


def test_settings_that_nothing_acts_on_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert idle_settings(load_settings()) == []

    monkeypatch.setenv("RINGBACK_NATS_URL", "nats://127.0.0.1")
    assert idle_settings(load_settings({"files_url": "file:///recordings"})) == [
        "RINGBACK_NATS_URL",
        "RINGBACK_FILES_URL",
    ]


def test_the_description_of_a_setting_that_nothing_acts_on_says_so() -> None:
    idle = {env_name(*path) for path in IDLE}

    assert {name for name, sentence in setting_names().items() if "(not used yet)" in sentence} == idle


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_API_KEY", "do-not-show-me")

    assert "do-not-show-me" not in repr(load_settings())


def test_every_setting_has_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in setting_names().values())


def test_the_sample_file_in_the_repository_is_the_generated_one() -> None:
    assert (ROOT / "ringback.example.toml").read_text() == sample_file()


def test_the_sample_file_uncommented_is_the_default(tmp_path: Path) -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", sample_file(), flags=re.MULTILINE)
    (tmp_path / "ringback.toml").write_text(text)

    assert load_settings() == Settings.model_construct(
        **{n: f.get_default(call_default_factory=True) for n, f in Settings.model_fields.items()}
    )


def test_each_media_worker_has_a_port_after_the_first() -> None:
    media = load_settings({"media": {"workers": 4}}).media

    assert (media.workers, media.webrtc_ports) == (4, "7882-7885")
    assert load_settings().media.webrtc_ports == "7882"
    assert load_settings({"media": {"workers": 4, "udp_port": 0}}).media.webrtc_ports == "0"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"media": {"workers": 0}}, "RINGBACK_MEDIA__WORKERS"),
        ({"media": {"workers": 65}}, "RINGBACK_MEDIA__WORKERS"),
        ({"media": {"workers": 3, "udp_port": 65534}}, "need ports up to 65536"),
        ({"media": {"workers": 2, "udp_port": 19999}}, "take ports 19999-20000, and rtp_ports 20000-29999 holds some"),
        ({"media": {"workers": 4, "udp_port": 7878}}, "take ports 7878-7881, and http.port is 7880"),
        ({"media": {"workers": 2, "udp_port": 5060}}, "take ports 5060-5061, and sip.port is 5060"),
    ],
)
def test_workers_whose_ports_are_not_theirs_are_refused(flags: dict[str, object], said: str) -> None:
    text = problem(flags)

    assert "RINGBACK_MEDIA" in text and said in text


def test_a_group_of_the_file_that_is_no_group_is_named_and_not_lost_among_flags_nobody_gave() -> None:
    Path("ringback.toml").write_text("sip = 3\n")

    assert problem({"sip": {"host": None, "port": None}}).startswith("RINGBACK_SIP (sip in ringback.toml): ")
