"""TLS for SIP (RFC 3261 §26.3, RFC 5922): who a far end is, who we are, and a session that needs no socket."""

import contextlib
import hashlib
import ipaddress
import re
import ssl
from collections.abc import Sequence
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ringback.sip.flow import TlsPolicy

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS = 5.0
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_SIP_DOMAIN = re.compile(r"sips?:([^@;?:]+)", re.IGNORECASE)
_AT_ONCE = 65_536


class TlsFailed(Exception):
    """A handshake came to nothing. The text is for the operator and begins with ``tls:``."""


# ── who somebody is ──


def identities(certificate: bytes) -> list[str]:
    """Domains and IP addresses a certificate (DER) is for, lower case (RFC 5922 §7.1): SIP URIs without a user, DNS
    names and IP addresses of its subjectAltName. A common name counts for nothing."""
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (x509.ExtensionNotFound, ValueError):
        return []
    domains = [
        match[1] for text in names.value.get_values_for_type(x509.UniformResourceIdentifier)
        if (match := _SIP_DOMAIN.fullmatch(text))
    ]  # fmt: skip
    domains += names.value.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.value.get_values_for_type(x509.IPAddress)]
    return [name.lower().rstrip(".") for name in (*domains, *addresses)]


def is_for(found: Sequence[str], wanted: str) -> bool:
    """Whether one of a certificate's identities is ``wanted``.

    RFC 5922 §7.2 knows no wildcards. Carriers do: one is taken that is the whole first label, stands for exactly one
    label, and has at least two labels after it.
    """
    wanted = wanted.lower().rstrip(".")
    with contextlib.suppress(ValueError):
        wanted = str(ipaddress.ip_address(wanted))
        return wanted in found
    first, _, rest = wanted.partition(".")
    return wanted in found or (bool(first) and "." in rest and f"*.{rest}" in found)


def matches_pin(certificate: bytes, pin: str) -> bool:
    """Whether ``pin`` is the digest of this certificate (DER) or of its public key."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        public = b""
    digests = {f"sha256:{hashlib.sha256(octets).hexdigest()}" for octets in (certificate, public)}
    return normal_pin(pin) in digests


def normal_pin(pin: str) -> str:
    """A pin as it is compared. Raises ``ValueError`` for what is none."""
    text = pin.strip().lower().replace("sha256//", "sha256:")
    if not text.startswith("sha256:"):
        text = f"sha256:{text}"
    text = "sha256:" + text.removeprefix("sha256:").replace(":", "")
    if not _PIN.fullmatch(text):
        raise ValueError("write a pin as sha256: and 64 hexadecimal digits")
    return text


def check_peer(certificate: bytes | None, policy: TlsPolicy) -> None:
    """Whether a far end's certificate satisfies us beyond its chain. Raises ``TlsFailed``."""
    if not policy.verify and not policy.pin:
        return
    if certificate is None:
        raise TlsFailed("tls: the far end has no certificate")
    if policy.pin:
        if not matches_pin(certificate, policy.pin):
            raise TlsFailed("tls: certificate is not the pinned one")
        return
    found = identities(certificate)
    if not is_for(found, policy.name):
        shown = ", ".join(found[:3]) or "no name at all"
        raise TlsFailed(f"tls: certificate is for {shown}, not {policy.name}")


# ── contexts ──


def client_context(policy: TlsPolicy) -> ssl.SSLContext:
    """For a connection to a far end. Names are checked by ``check_peer``. Raises ``TlsFailed`` for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = False
    if policy.verify and not policy.pin:
        try:
            if policy.ca_file:
                context.load_verify_locations(cafile=policy.ca_file)
            else:
                context.load_default_certs()
        except (OSError, ssl.SSLError) as error:
            raise TlsFailed(f"tls: cannot read authorities from {policy.ca_file}: {_why(error)}") from None
    else:
        context.verify_mode = ssl.CERT_NONE
    if policy.certificate:
        try:
            context.load_cert_chain(policy.certificate, policy.key or None)
        except (OSError, ssl.SSLError) as error:
            raise TlsFailed(f"tls: cannot use our certificate {policy.certificate}: {_why(error)}") from None
    return context


class ClientContexts:
    """Contexts by what they are made of, so that system authorities are not read for each connection."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._made: dict[tuple[object, ...], ssl.SSLContext] = {}

    def __call__(self, policy: TlsPolicy) -> ssl.SSLContext:
        """Raises ``TlsFailed``."""
        files = (policy.ca_file, policy.certificate, policy.key)
        wanted = (policy.verify, bool(policy.pin), *files, *(_stamp(Path(file)) for file in files if file))
        if wanted not in self._made:
            made = client_context(policy)
            if len(self._made) >= self._most:
                del self._made[next(iter(self._made))]
            self._made[wanted] = made
        return self._made[wanted]


class ServerCertificate:
    """Our certificate as a server, read again when its files change; connections that are up stay as they are.

    Args:
        certificate, key: PEM files, the chain and its key.
        clients: PEM file of authorities whose certificates far ends may show us; empty asks for none.

    Raises:
        TlsFailed: They cannot be used, in one line.
    """

    def __init__(self, certificate: Path, key: Path, clients: str = "") -> None:
        self._files = (certificate, key)
        self._clients = clients
        self._stamps = self._now()
        self.context = self._made()

    def refresh(self) -> None:
        """Take changed files, if they are any good; if not, the log says so once, and the old ones stay."""
        if self._now() != self._stamps:
            self.reload()

    def reload(self) -> None:
        """Read the files again, authorities of clients among them; what is no good leaves the old ones in use."""
        self._stamps = self._now()
        try:
            self.context = self._made()
        except TlsFailed as error:
            log.error("sip.certificate-unusable", reason=str(error), instead="the one read before")
        else:
            log.info("sip.certificate-reloaded", file=str(self._files[0]))

    def _now(self) -> tuple[object, ...]:
        return tuple(_stamp(file) for file in self._files)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _harden(context)
        check_pair(*self._files, context)
        if self._clients:
            try:
                context.load_verify_locations(cafile=self._clients)
            except (OSError, ssl.SSLError) as error:
                raise TlsFailed(f"tls: cannot read authorities from {self._clients}: {_why(error)}") from None
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def check_pair(certificate: Path, key: Path, context: ssl.SSLContext) -> None:
    """Load a certificate and its key. Raises ``TlsFailed`` that names the file at fault."""
    for file in (certificate, key):
        try:
            text = file.read_text("ascii", "replace")
        except OSError as error:
            raise TlsFailed(f"cannot read {file}: {error.strerror or error}") from None
        if "-----BEGIN" not in text:
            raise TlsFailed(f"{file} is not a PEM file")
    try:
        context.load_cert_chain(certificate, key, lambda: b"")
    except (ssl.SSLError, OSError) as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise TlsFailed(f"the key in {key} is not that of the certificate in {certificate}") from None
        raise TlsFailed(f"{certificate} and {key} cannot be used: {_why(error)}") from None


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _stamp(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(getattr(error, "strerror", None) or error)


# ── a session ──


class TlsSession:
    """One end of a TLS connection as bytes in and bytes out.

    Args:
        policy: For our end as a client; ``None`` for our end as a server.

    Attributes:
        ready: The handshake is done and the far end is who it has to be.
        closed: The far end has said goodbye.
    """

    def __init__(self, context: ssl.SSLContext, policy: TlsPolicy | None = None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._policy = policy
        name = policy.name if policy is not None and policy.name and not _is_ip(policy.name) else None
        self._object = context.wrap_bio(self._in, self._out, server_side=policy is None, server_hostname=name)
        self.ready = False
        self.closed = False

    @property
    def peer_names(self) -> tuple[str, ...]:
        """What the far end's verified certificate is for; empty when it showed none."""
        certificate = self._object.getpeercert(True) if self.ready else None
        return tuple(identities(certificate)) if certificate else ()

    def start(self) -> bytes:
        """What a client sends first."""
        self._shake()
        return self._out.read()

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Octets from the far end: what it said, and what has to be sent. Raises ``TlsFailed``."""
        self._in.write(data)
        if not self.ready:
            self._shake()
        said = self._read() if self.ready else b""
        return said, self._out.read()

    def write(self, data: bytes) -> bytes:
        """Octets that say ``data``. Only once ``ready``."""
        self._object.write(data)
        return self._out.read()

    def farewell(self) -> bytes:
        """What ends the session, and after a failure what tells the far end of it."""
        if self.ready:
            with contextlib.suppress(ssl.SSLError):
                self._object.unwrap()
        return self._out.read()

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLCertVerificationError as error:
            name = self._policy.name if self._policy is not None else "the far end"
            raise TlsFailed(f"tls: certificate of {name} is not trusted: {error.verify_message}") from None
        except (ssl.SSLError, ValueError) as error:
            raise TlsFailed(f"tls: the handshake failed: {_why(error)}") from None
        if self._policy is not None:
            check_peer(self._object.getpeercert(True), self._policy)
        self.ready = True

    def _read(self) -> bytes:
        parts = []
        while True:
            try:
                part = self._object.read(_AT_ONCE)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                self.closed = True
                break
            except ssl.SSLError as error:
                raise TlsFailed(f"tls: the connection broke: {_why(error)}") from None
            if not part:
                self.closed = True
                break
            parts.append(part)
        return b"".join(parts)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
