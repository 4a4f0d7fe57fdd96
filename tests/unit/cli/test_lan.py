"""The certificate and the secrets of ``dev --lan``."""

import datetime
import ssl
import stat
from pathlib import Path

from ringback.cli.lan import certificate_for, kept_secret

NOW = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)


def test_a_certificate_is_made_once_and_can_be_served(tmp_path: Path):
    first = certificate_for("192.0.2.7", tmp_path, NOW)
    made = first.certificate.read_bytes()

    again = certificate_for("192.0.2.7", tmp_path, NOW + datetime.timedelta(days=100))

    assert again.certificate.read_bytes() == made
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(first.certificate, first.key)
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o600


def test_it_is_made_anew_before_it_runs_out_and_for_another_address(tmp_path: Path):
    made = certificate_for("192.0.2.7", tmp_path, NOW).certificate.read_bytes()

    later = certificate_for("192.0.2.7", tmp_path, NOW + datetime.timedelta(days=360)).certificate.read_bytes()
    elsewhere = certificate_for("192.0.2.8", tmp_path, NOW).certificate.read_bytes()

    assert len({made, later, elsewhere}) == 3


def test_a_damaged_certificate_is_made_anew(tmp_path: Path):
    files = certificate_for("192.0.2.7", tmp_path, NOW)
    files.certificate.write_text("no certificate")

    certificate_for("192.0.2.7", tmp_path, NOW)

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)


def test_a_secret_stays_the_same_and_is_its_owners_only(tmp_path: Path):
    secret = kept_secret(tmp_path, "api-key")

    assert kept_secret(tmp_path, "api-key") == secret
    assert len(secret) >= 32
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600
