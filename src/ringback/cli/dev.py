"""``ringback dev``: the server on your own machine, with a room, a greeter in it, and a call to itself."""

import asyncio
import datetime
from pathlib import Path
from typing import Annotated, Any

import segno
import typer

from ringback.app import Application
from ringback.cli.fail import fail
from ringback.cli.hosting import Host
from ringback.cli.lan import certificate_for, kept_secret
from ringback.cli.loop import read_settings, run
from ringback.cli.pretend import SAMPLE_NUMBER, pretend_carrier
from ringback.cli.running import serve
from ringback.cli.selfcall import call_ourselves
from ringback.clock import SystemClock
from ringback.config import Settings
from ringback.installation import own_address
from ringback.model.ids import RoomName
from ringback.model.room import Room
from ringback.testing.carrier import PretendCarrier
from ringback.testing.carrier.desk import CarrierDesk
from ringback.testing.carrier.trunk import fill_stock, trunk_of

ROOM = RoomName("hello")
STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 300}
PROPERTIES = {
    "sip": {"sip_mode": "dial-in", "display_name": "Phone", "num_endpoints": 2, "dialin_config": STARTS},
    "enable_dialout": True,
    "dialout_config": STARTS,
}
SEATED_WITHIN_S = 5.0
OWNER_TOKEN_S = 7 * 24 * 3600

app = typer.Typer()


@app.command()
def dev(
    lan: Annotated[bool, typer.Option("--lan", help="Serve HTTPS to your own network, with a QR code.")] = False,
    port: Annotated[int | None, typer.Option(help="Port for HTTP (RINGBACK_HTTP__PORT).")] = None,
    sip_port: Annotated[int | None, typer.Option(help="Port for SIP (RINGBACK_SIP__PORT).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for its data (RINGBACK_DATA_DIR).")] = None,
    self_test: Annotated[bool, typer.Option("--self-test/--no-self-test", help="Call ourselves first.")] = True,
    pretend: Annotated[bool, typer.Option("--carrier/--no-carrier", help="With the pretend carrier.")] = True,
) -> None:
    """Run the server for yourself: a room called hello with a greeter, and no account, network or phone needed."""
    flags: dict[str, Any] = {
        "http": {"port": port},
        "sip": {"port": sip_port},
        "data_dir": data_dir,
        # On a developer's machine the phones are on it too.
        "dialout": {"allow_private": True},
        "webhooks": {"allow_private": True},
    }
    settings = read_settings(flags)
    if lan:
        settings = read_settings(_with_lan(flags, settings.data_dir, settings.api_key is None, settings.secret is None))
    run(_serve(settings, _Dev(lan, self_test), pretend))


async def _serve(settings: Settings, dev: "_Dev", pretend: bool) -> None:
    if not pretend:
        await serve(settings, dev.on_ready)
        return
    async with pretend_carrier() as carrier:
        dev.carrier = carrier
        with_trunk = settings.model_copy(update={"trunks": [*settings.trunks, trunk_of(carrier)]})
        await serve(with_trunk, dev.on_ready, CarrierDesk(carrier))


def _with_lan(flags: dict[str, Any], folder: Path, needs_key: bool, needs_secret: bool) -> dict[str, Any]:
    address = own_address()
    try:
        files = certificate_for(address, folder, datetime.datetime.now(datetime.UTC))
        kept = {"api_key": kept_secret(folder, "api-key")} if needs_key else {}
        kept |= {"secret": kept_secret(folder, "secret")} if needs_secret else {}
    except OSError as error:
        fail(f"RINGBACK_DATA_DIR: cannot write to {folder}: {error.strerror or error}")
    listeners = {
        "http": {**flags["http"], "host": "0.0.0.0", "certificate": files.certificate, "key": files.key},
        "sip": {**flags["sip"], "host": "0.0.0.0", "certificate": files.certificate, "key": files.key},
        "media": {"public_address": address},
    }
    return {**flags, **listeners, **kept}


class _Dev:
    """What ``dev`` does once the server takes calls."""

    def __init__(self, lan: bool, self_test: bool) -> None:
        self._lan = lan
        self._self_test = self_test
        self.carrier: PretendCarrier | None = None

    async def on_ready(self, server: Application, stop: asyncio.Event) -> None:
        if self.carrier is not None:
            # First of all: the server is ready, and may be asked for a call already.
            self.carrier.server = f"127.0.0.1:{server.telephony.local_addresses[0].rpartition(':')[2]}"
        room = await self._room(server)
        if self.carrier is not None:
            await fill_stock(server.numbers, server.purchases)
        host = Host(server, ROOM)
        # The greeter keeps a meeting open; it has to go before the server can drain.
        greeter = asyncio.create_task(host.run(), name="greeter")
        ending = asyncio.create_task(stop.wait())
        ending.add_done_callback(lambda _: greeter.cancel())
        self._kept = (greeter, ending)
        if self._self_test:
            await self._test(server, host, room)
        host.greets = True
        await self._say_what_to_do(server, room)

    async def _room(self, server: Application) -> Room:
        found = await server.rooms.find(server.domain.id, ROOM)
        if found is not None and found.endpoints:
            return found
        if found is not None:
            return await server.rooms.update(server.domain.id, ROOM, {"properties": PROPERTIES})
        return await server.rooms.create(server.domain.id, {"name": ROOM, "properties": PROPERTIES})

    async def _test(self, server: Application, host: Host, room: Room) -> None:
        try:
            await asyncio.wait_for(host.seated.wait(), SEATED_WITHIN_S)
        except TimeoutError:
            typer.echo("Self-test: the greeter did not get into its room")
            return
        # The second address, so that the first is free for you from the start.
        uri = f"sip:{room.endpoints[-1]}@127.0.0.1:{server.telephony.local_addresses[0].rpartition(':')[2]}"
        for line in (await call_ourselves(uri, SystemClock(asyncio.get_running_loop()))).lines():
            typer.echo(line)

    async def _say_what_to_do(self, server: Application, room: Room) -> None:
        exp = int(datetime.datetime.now(datetime.UTC).timestamp()) + OWNER_TOKEN_S
        grants = {"room_name": ROOM, "is_owner": True, "exp": exp}
        token = await server.access.mint(server.domain.id, grants)
        page = f"{server.addresses.public_url}/{ROOM}"
        dial = f"sip:{room.endpoints[0]}@{server.addresses.sip_domain}"
        lines = {
            "Open": page,
            "  as its owner": f"{page}?t={token}",
            "Dial": dial,
            "  from here": f".venv/bin/ringback phone dial {dial} --say 'Hello' --for 15",
            **self._carrier_lines(),
            "API": f"{server.addresses.public_url}/v1",
            "  its key": server.api_key,
        }
        typer.echo()
        for name, value in lines.items():
            typer.echo(f"{name:<16}{value}")
        if self._lan:
            typer.echo(
                "\nOn a phone of your network (its browser will warn: this machine made the certificate itself):\n"
            )
            typer.echo(_qr_code(page))
        typer.echo("\nCtrl-C ends it.")

    def _carrier_lines(self) -> dict[str, str]:
        if self.carrier is None:
            return {}
        return {
            "Pretend numbers": "+12125550101 echoes, and others: .venv/bin/ringback carrier numbers",
            "  to call you": f".venv/bin/ringback numbers add {SAMPLE_NUMBER} --room {ROOM};"
            f" .venv/bin/ringback carrier call {SAMPLE_NUMBER}",
        }


def _qr_code(text: str) -> str:
    """Two rows of a line per character, on a terminal of any colour."""
    rows = [[bool(cell) for cell in row] for row in segno.make(text, error="l").matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(blocks[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs)
