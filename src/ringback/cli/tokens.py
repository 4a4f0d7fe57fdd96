"""``ringback tokens``: make and read meeting tokens."""

import time
from typing import Annotated

import typer

from ringback.cli.client import connect, parse_properties, quoted, show_fields, show_json

app = typer.Typer(help="Meeting tokens: make and read them.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]


@app.command()
def create(
    room: Annotated[str | None, typer.Option(help="The room it opens; every room of the domain when left out.")] = None,
    owner: Annotated[bool, typer.Option("--owner", help="May dial out, eject and change others.")] = False,
    user_name: Annotated[str | None, typer.Option(help="Name that others see.")] = None,
    user_id: Annotated[str | None, typer.Option(help="Your id for this person, at most 36 characters.")] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="Hours until it expires; never when left out.")] = None,
    properties: Annotated[
        list[str] | None, typer.Argument(help="Further properties as name=value.", metavar="NAME=VALUE…")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token."""
    wanted: dict[str, object] = {
        "room_name": room,
        "is_owner": True if owner else None,
        "user_name": user_name,
        "user_id": user_id,
        "exp": None if hours is None else int(time.time() + hours * 3600),
        **parse_properties(properties or []),
    }
    answer = connect().post(
        "/meeting-tokens", {"properties": {name: value for name, value in wanted.items() if value is not None}}
    )
    if as_json:
        show_json(answer)
    else:
        typer.echo(answer["token"])


@app.command()
def show(
    token: Annotated[str, typer.Argument(help="The token.")],
    ignore_nbf: Annotated[bool, typer.Option("--ignore-nbf", help="Read it even before its time.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a token allows, if it is valid."""
    answer = connect().get(f"/meeting-tokens/{quoted(token)}", ignoreNbf=True if ignore_nbf else None)
    if as_json:
        show_json(answer)
    else:
        show_fields(answer or {"note": "a plain guest, in every room of the domain"})
