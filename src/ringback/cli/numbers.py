"""``ringback numbers``: telephone numbers and the rooms they ring."""

from typing import Annotated

import typer

from ringback.cli.client import connect, quoted, show_json, show_table

app = typer.Typer(help="Telephone numbers and the rooms they ring.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Number = Annotated[str, typer.Argument(help="E.164, as in +4930123456.")]


@app.command("list")
def list_numbers(as_json: AsJson = False) -> None:
    """All numbers, oldest first."""
    rows = connect().get("/ringback/numbers")["data"]
    if as_json:
        show_json(rows)
        return
    empty = "There are no numbers; let one ring a room with: ringback numbers add +NUMBER --room NAME"
    show_table(rows, {"number": "number", "room": "room", "since": "created_at"}, empty)


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
