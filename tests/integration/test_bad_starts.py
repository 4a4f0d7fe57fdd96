"""A server that cannot start says in one sentence which setting to look at, and changes nothing."""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import cannot_run
from interop.peers.server import Server


async def refusal(server: Server) -> str:
    """What a server says that ends by itself."""
    await server.process.start()
    code = await server.process.wait(90)
    said = server.log().strip()
    assert code != 0, said
    assert "Traceback" not in said, said
    return said


async def started_once(folder: Path) -> Server:
    """A server that has run and has made its database."""
    async with Server(folder) as server:
        await server.room("kept")
    return Server(folder)


def database(server: Server) -> Path:
    return server.folder / "data" / "ringback.db"


async def test_a_core_of_another_version_is_named_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "ringback_core.py").write_text('VERSION = "0.0.9"\n')
    server = Server(tmp_path / "server", env={"PYTHONPATH": str(tmp_path / "old")})

    said = await refusal(server)

    assert said.splitlines()[-1].startswith("ringback: the compiled core is of version 0.0.9, this is Ringback ")
    assert "make build" in said
    assert not (server.folder / "data").exists()


async def test_a_corrupt_database_is_named_and_left_alone(tmp_path: Path) -> None:
    server = await started_once(tmp_path)
    for leftover in server.folder.glob("data/ringback.db-*"):
        leftover.unlink()
    database(server).write_bytes(b"this was a database once" * 500)
    before = database(server).read_bytes()

    said = await refusal(server)

    assert "RINGBACK_DATABASE_URL" in said
    assert database(server).read_bytes() == before


async def test_a_newer_database_is_named_and_left_alone(tmp_path: Path) -> None:
    server = await started_once(tmp_path)
    with contextlib.closing(sqlite3.connect(database(server))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    said = await refusal(server)

    assert "RINGBACK_DATABASE_URL" in said
    with contextlib.closing(sqlite3.connect(database(server))) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("from-the-future",)]
        assert connection.execute("SELECT count(*) FROM rooms").fetchone() == (1,)


@pytest.mark.parametrize(
    ("which", "kind", "setting"),
    [
        ("http", socket.SOCK_STREAM, "RINGBACK_HTTP__PORT"),
        ("sip", socket.SOCK_DGRAM, "RINGBACK_SIP__PORT"),
        ("sip", socket.SOCK_STREAM, "RINGBACK_SIP__PORT"),
        ("media", socket.SOCK_DGRAM, "RINGBACK_MEDIA__UDP_PORT"),
        ("media", socket.SOCK_STREAM, "RINGBACK_MEDIA__UDP_PORT"),
    ],
)
async def test_a_port_in_use_is_named(tmp_path: Path, which: str, kind: socket.SocketKind, setting: str) -> None:
    server = Server(tmp_path)
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", getattr(server.ports, which)))
        if kind == socket.SOCK_STREAM:
            other.listen()

        said = await refusal(server)

    assert setting in said
    assert str(getattr(server.ports, which)) in said


async def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")

    said = await refusal(Server(tmp_path, {"HTTP__CERTIFICATE": missing, "HTTP__KEY": missing}))

    assert "RINGBACK_HTTP__CERTIFICATE" in said
    assert missing in said


async def test_an_unknown_setting_is_named_with_its_neighbour(tmp_path: Path) -> None:
    said = await refusal(Server(tmp_path, {"HTTP__PROT": "7880"}))

    assert "RINGBACK_HTTP__PROT" in said
    assert "RINGBACK_HTTP__PORT" in said


async def test_a_value_that_cannot_be_is_named(tmp_path: Path) -> None:
    said = await refusal(Server(tmp_path, {"MEDIA__RTP_PORTS": "30000-20000"}))

    assert "RINGBACK_MEDIA__RTP_PORTS" in said


@pytest.mark.parametrize("setting", ["HTTP__HOST", "SIP__HOST"])
async def test_listening_beyond_loopback_with_a_weak_key_is_refused(tmp_path: Path, setting: str) -> None:
    said = await refusal(Server(tmp_path, {setting: "0.0.0.0", "API_KEY": "secret"}))

    assert "RINGBACK_API_KEY" in said


async def test_a_setting_that_nothing_acts_on_is_told_at_start(tmp_path: Path) -> None:
    async with Server(tmp_path, {"NATS_URL": "nats://127.0.0.1", "FILES_URL": "file:///tmp"}) as server:
        said = [line for line in server.log().splitlines() if "settings.idle" in line]

    assert any("RINGBACK_NATS_URL" in line for line in said), said
    assert any("RINGBACK_FILES_URL" in line for line in said), said


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "cannot read"),
        ({"sip.pem": "nonsense", "sip.key": "nonsense"}, "is not a PEM file"),
    ],
)
async def test_a_certificate_for_sip_that_cannot_be_used_is_named(
    tmp_path: Path, files: dict[str, str], says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    settings = {"SIP__CERTIFICATE": str(tmp_path / "sip.pem"), "SIP__KEY": str(tmp_path / "sip.key")}

    said = await refusal(Server(tmp_path / "server", settings))

    assert "RINGBACK_SIP__CERTIFICATE" in said
    assert says in said


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with nothing left."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        cannot_run("making a small file system takes root and mount")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        cannot_run(f"this machine lets nobody mount: {mounted.stderr.strip()}")
    try:
        with contextlib.suppress(OSError), (folder / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_named(tmp_path: Path, full_disk: Path) -> None:
    said = await refusal(Server(tmp_path / "server", {"DATA_DIR": str(full_disk / "data")}))

    assert "RINGBACK_DATA_DIR" in said or "RINGBACK_DATABASE_URL" in said
    assert str(full_disk) in said
