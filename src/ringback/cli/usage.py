"""``ringback usage``: minutes by day, room, trunk, direction or number."""

from typing import Annotated

import typer

from ringback.cli.client import connect, show_json, show_table

COLUMNS = {
    "calls": "calls",
    "answered": "answered",
    "minutes": "minutes",
    "transcoded s": "transcoded_seconds",
    "people": "participants",
    "their minutes": "participant_minutes",
}

app = typer.Typer(help="Minutes of calls and people, as of the days they ended on.")


@app.command()
def usage(
    by: Annotated[str, typer.Option("--by", help="day, room, trunk, direction, number, kind, with commas.")] = "day",
    first: Annotated[str | None, typer.Option("--from", help="First day, as 2026-03-02 (UTC).")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day; today when left out.")] = None,
    room: Annotated[str | None, typer.Option("--room", help="Of this room only.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the server answers.")] = False,
) -> None:
    """Minutes of calls and people, as of the days they ended on; of the last 30 days when none are named."""
    asked = {"by": by, "from": first, "to": last, "room": room}
    client = connect()
    if as_csv:
        typer.echo(client.text("/ringback/usage", format="csv", **asked), nl=False)
        return
    found = client.get("/ringback/usage", **asked)
    if as_json:
        show_json(found)
        return
    lines = found["data"]
    if len(lines) > 1:
        lines = [*lines, {**found["total"], found["by"][0]: "total"}]
    show_table(lines, {**{key: key for key in found["by"]}, **COLUMNS}, "Nothing ended in that time.")
