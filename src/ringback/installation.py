"""What an installation needs before it can run: a data folder, secrets, certificates and addresses that are free.

Everything that is wrong here is one sentence that names the setting and says what to do.
"""

import os
import secrets
import socket
import ssl
from pathlib import Path

from ringback.config import ConfigError, Dialout, Settings, env_name
from ringback.model.errors import InvalidRequest
from ringback.numbers.policy import Policy, rates_of_csv, read_policy

WEAK = 16
"""Characters below which a secret is too easily guessed to be served to strangers."""


def data_folder(settings: Settings) -> Path:
    """The data folder, made if need be, readable by its owner only."""
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{env_name('data_dir')}: cannot write to {folder}: {error.strerror or error}") from None
    return folder


def api_key(settings: Settings, folder: Path) -> str:
    """The first API key: the one that was set, or one generated into the data folder."""
    return _secret(settings, "api_key", folder, "api-key")


def sealing_secret(settings: Settings, folder: Path) -> str:
    """What seals secrets at rest."""
    return _secret(settings, "secret", folder, "secret")


def _secret(settings: Settings, name: str, folder: Path, file_name: str) -> str:
    given = getattr(settings, name)
    if given is not None:
        text = str(given.get_secret_value())
        if settings.listens_beyond_loopback and len(text) < WEAK:
            raise ConfigError(
                f"{env_name(name)} has {len(text)} characters, too few to listen beyond this machine: "
                f"use at least {WEAK} random ones, or set {env_name('http', 'host')} and {env_name('sip', 'host')} "
                "to 127.0.0.1"
            )
        return text
    if settings.listens_beyond_loopback:
        raise ConfigError(
            f"{env_name(name)} is not set, and a generated one is not used when listening beyond this machine: "
            f"set it to at least {WEAK} random characters"
        )
    return _generated(folder / file_name, name)


def _generated(file: Path, name: str) -> str:
    try:
        if file.exists():
            text = file.read_text().strip()
            if text:
                return text
            raise ConfigError(f"{file} is empty: delete it to generate another, or set {env_name(name)}")
        text = secrets.token_urlsafe(32)
        part = file.with_suffix(f".{os.getpid()}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(text + "\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except OSError as error:
        raise ConfigError(f"{env_name(name)}: cannot keep a generated one in {file}: {error.strerror}") from None
    return text


def check_certificate(settings: Settings) -> None:
    """The certificate for HTTPS can be read and its key fits."""
    http = settings.http
    if http.certificate is None or http.key is None:
        return
    for name, file in (("certificate", http.certificate), ("key", http.key)):
        if not file.is_file():
            raise ConfigError(f"{env_name('http', name)}: there is no file {file}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(http.certificate, http.key)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigError(
            f"{env_name('http', 'certificate')} and {env_name('http', 'key')} do not work together: {reason}"
        ) from None


def listening_socket(host: str, port: int) -> socket.socket:
    """A TCP socket for HTTP, bound and listening."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise taken("http", "port", host, port, error) from None
    return sock


def taken(section: str, name: str, host: str, port: int | str, error: OSError) -> ConfigError:
    """An address that cannot be listened on, with the setting to change."""
    # Some errors bring a sentence of their own in place of the system's words.
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ConfigError(
        f"{env_name(section, name)}: cannot listen on {host}:{port} ({reason}); stop what uses it or set another port"
    )


def is_any(host: str) -> bool:
    """Whether a listener on ``host`` is on every interface."""
    return host in ("0.0.0.0", "::", "")


def shown_address(host: str) -> str:
    """The address a listener on ``host`` is reached at: the host itself, or ours when it is every interface."""
    return own_address() if is_any(host) else "127.0.0.1" if host == "localhost" else host


def shown_host(host: str) -> str:
    """``shown_address`` as it stands in a URL."""
    address = shown_address(host)
    return f"[{address}]" if ":" in address else address


def own_address() -> str:
    """This machine's address on the network that leads out; loopback when there is none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def dialout_policy(dialout: Dialout) -> Policy:
    """What domains may call that have no policy of their own. Raises ``ConfigError`` for rates that cannot be read."""
    body = dialout.policy()
    if dialout.rates_file is not None:
        name = env_name("dialout", "rates_file")
        try:
            body["rates"] = rates_of_csv(dialout.rates_file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: {getattr(error, 'strerror', None) or error}: {dialout.rates_file}") from None
        except InvalidRequest as error:
            raise ConfigError(f"{name}: {error.info}") from None
    try:
        return read_policy(body, Policy())
    except InvalidRequest as error:
        raise ConfigError(f"{env_name('dialout')}: {error.info}") from None
