"""``ringback numbers``: telephone numbers, the rooms they ring, and buying them."""

from pathlib import Path
from typing import Annotated

import typer

from ringback.cli.client import connect, quoted, show_json, show_table
from ringback.cli.fail import fail

app = typer.Typer(help="Telephone numbers, the rooms they ring, and buying them.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Number = Annotated[str, typer.Argument(help="E.164, as in +4930123456.")]
MOST_AT_ONCE = 1000


@app.command("list")
def list_numbers(as_json: AsJson = False) -> None:
    """All numbers, oldest first."""
    rows = connect().get("/ringback/numbers")["data"]
    if as_json:
        show_json(rows)
        return
    empty = "There are no numbers; let one ring a room with: ringback numbers add +NUMBER --room NAME"
    columns = {"number": "number", "room": "room", "trunk": "trunk", "name": "name", "since": "created_at", "id": "id"}
    show_table(rows, columns, empty)


@app.command()
def add(
    number: Number, room: Annotated[str, typer.Option(help="Name of the room it rings.")], as_json: AsJson = False
) -> None:
    """Let a number ring a room; calls from rooms may show it."""
    answer = connect().post("/ringback/numbers", {"number": number, "room": room})
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{answer['number']} rings {answer['room']}")


@app.command()
def remove(number: Number, as_json: AsJson = False) -> None:
    """Forget a number."""
    answer = connect().delete(f"/ringback/numbers/{quoted(number)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"removed {answer['number']}")


@app.command()
def available(
    areacode: Annotated[str, typer.Option(help="Area code.")] = "",
    region: Annotated[str, typer.Option(help="State or province, as in CA.")] = "",
    city: Annotated[str, typer.Option(help="City; needs a region.")] = "",
    contains: Annotated[str, typer.Option(help="3 to 7 digits anywhere.")] = "",
    as_json: AsJson = False,
) -> None:
    """Numbers that can be bought."""
    answer = connect().get(
        "/list-available-numbers",
        areacode=areacode or None,
        region=region or None,
        city=city or None,
        contains=contains or None,
    )
    if as_json:
        show_json(answer)
        return
    empty = "There are no numbers to buy; the operator puts some up with: ringback numbers import FILE --trunk NAME"
    show_table(answer["data"], {"number": "number", "region": "region"}, empty)


@app.command()
def buy(
    number: Annotated[str, typer.Argument(help="E.164; left out: any number of the United States.")] = "",
    as_json: AsJson = False,
) -> None:
    """Buy a number: calls from rooms may show it, and it may ring a room."""
    answer = connect().post("/buy-phone-number", {"number": number} if number else {})
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"bought {answer['number']} ({answer['id']})")


@app.command()
def release(
    id: Annotated[str, typer.Argument(help="Id of the number, as 'ringback numbers list' shows it.")],
    as_json: AsJson = False,
) -> None:
    """Give a number back; that cannot be undone."""
    answer = connect().delete(f"/release-phone-number/{quoted(id)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"released {answer['id']}")


@app.command("import")
def import_numbers(
    file: Annotated[Path, typer.Argument(help="A number per line, with region and city after commas.")],
    trunk: Annotated[str, typer.Option(help="Trunk that the numbers belong to.")],
    as_json: AsJson = False,
) -> None:
    """Put numbers of a trunk up for sale. Needs the operator's key."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or error}")
    listed = []
    for line in lines:
        number, *where = [part.strip() for part in line.partition("#")[0].split(",")]
        if number:
            listed.append({"number": number, **dict(zip(("region", "city"), where, strict=False))})
    client, rows = connect(), []
    for begin in range(0, len(listed), MOST_AT_ONCE):
        body = {"trunk": trunk, "numbers": listed[begin : begin + MOST_AT_ONCE]}
        rows += client.post("/ringback/number-stock", body)["data"]
    if as_json:
        show_json(rows)
    else:
        typer.echo(f"{len(rows)} numbers of {trunk} can be bought")
