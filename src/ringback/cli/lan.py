"""``ringback dev --lan``: HTTPS on the local network, with a certificate made here and a key that nobody can guess."""

import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 365
LEFT_DAYS = 14
"""Made anew when fewer are left. Browsers refuse certificates of their own machine's making above 825 days."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM."""

    certificate: Path
    key: Path


def certificate_for(address: str, folder: Path, now: datetime.datetime) -> Certificate:
    """The certificate for an address of this machine, made on first use and when it runs out.

    Args:
        folder: Where it is kept, the key readable by its owner only.
        now: Aware.

    Raises:
        OSError: The folder cannot be written.
    """
    found = Certificate(folder / "lan-certificate.pem", folder / "lan-key.pem")
    if not _good(found, address, now):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(found, address, now)
    return found


def kept_secret(folder: Path, name: str) -> str:
    """A secret of this folder, made on first use: long enough to listen beyond this machine with."""
    file = folder / name
    if file.exists() and (text := file.read_text().strip()):
        return text
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = secrets.token_urlsafe(32)
    _write_privately(file, f"{text}\n".encode())
    return text


def _good(found: Certificate, address: str, now: datetime.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(found.certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    lasts = certificate.not_valid_after_utc - now > datetime.timedelta(days=LEFT_DAYS)
    return lasts and found.key.exists() and ipaddress.ip_address(address) in names.get_values_for_type(x509.IPAddress)


def _make(files: Certificate, address: str, now: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Ringback on {address}")])
    addresses = dict.fromkeys([ipaddress.ip_address(address), ipaddress.ip_address("127.0.0.1")])
    names = [x509.DNSName("localhost"), *(x509.IPAddress(one) for one in addresses)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_privately(files.key, private)
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_privately(file: Path, data: bytes) -> None:
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    beside.replace(file)
