"""A certificate authority of a test's own."""

import datetime
import hashlib
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ringback.telephony.tls import ServerCertificate

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs what it is asked to. ``file`` is its own certificate, in PEM."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = (
            self._builder(self._name, self._key, NOW - DAY, NOW + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, file: str = "server", common: str = "nobody", days: int = 1) -> tuple[Path, Path]:
        """A certificate for DNS names, IP addresses and ``sip:`` URIs; one that ran out where ``days`` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        builder = self._builder(subject, key, NOW - 10 * DAY, NOW + days * DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        made = builder.sign(self._key, hashes.SHA256())
        chain, secret = self._folder / f"{file}.pem", self._folder / f"{file}.key"
        chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return chain, secret

    def server(self, *names: str, **more: object) -> ServerCertificate:
        """The same, ready for a listener."""
        return ServerCertificate(*self.issue(*names, **more))  # type: ignore[arg-type]

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime.datetime, until: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(until)
        )


def digest(chain: Path) -> str:
    """A pin of a certificate."""
    return "sha256:" + hashlib.sha256(der(chain)).hexdigest()


def der(chain: Path) -> bytes:
    return x509.load_pem_x509_certificate(chain.read_bytes()).public_bytes(serialization.Encoding.DER)


def _general(name: str) -> x509.GeneralName:
    if name.startswith(("sip:", "sips:")):
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
