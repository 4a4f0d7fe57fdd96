"""Secrets that nobody set: made once, kept in the data folder, readable by this user only."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ringback.store.errors import StoreError

FILES = {"api_key": "api-key", "secret": "secret"}
OCTETS = 32
SHORTEST_STRONG = 24
FEWEST_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the server runs with.

    Attributes:
        generated: Which of ``api_key`` and ``secret`` were not set by the operator.
    """

    api_key: str
    secret: str
    generated: frozenset[str]

    def __repr__(self) -> str:
        return f"Secrets(generated={sorted(self.generated)})"


def load_secrets(data_dir: Path, api_key: str | None, secret: str | None) -> Secrets:
    """Take what was set, and the rest from the data folder, making it there when it is missing.

    Raises:
        StoreError: The folder cannot be read or written.
    """
    given = {"api_key": api_key, "secret": secret}
    generated = frozenset(name for name, value in given.items() if value is None)
    found = {name: value if value is not None else _kept(data_dir / FILES[name]) for name, value in given.items()}
    return Secrets(found["api_key"], found["secret"], generated)


def exposure_problem(found: Secrets) -> str | None:
    """Why these secrets are not fit for a server that others can reach, naming the setting; ``None`` when they are."""
    for name, value in (("api_key", found.api_key), ("secret", found.secret)):
        setting = f"RINGBACK_{name.upper()}"
        advice = "set it, for example to the output of: openssl rand -hex 32"
        if name in found.generated:
            return f"{setting} is not set, and this server listens beyond this machine; {advice}"
        if len(value) < SHORTEST_STRONG or len(set(value)) < FEWEST_CHARACTERS:
            return f"{setting} is too weak for a server that listens beyond this machine; {advice}"
    return None


def _kept(file: Path) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            value = file.read_text("ascii").strip()
            if not value:
                raise StoreError(
                    f"RINGBACK_DATA_DIR: {file} is empty; remove it, or restore it from a backup"
                ) from None
            return value
        value = secrets.token_hex(OCTETS)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(value + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        return value
    except UnicodeDecodeError:
        raise StoreError(f"RINGBACK_DATA_DIR: {file} is damaged; restore it from a backup") from None
    except OSError as error:
        raise StoreError(f"RINGBACK_DATA_DIR: {error.strerror}: {error.filename}") from None
