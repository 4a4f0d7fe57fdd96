"""``ringback audit``: calls that were refused, and why."""

from typing import Annotated

import typer

from ringback.cli.client import connect, show_json, show_table

app = typer.Typer(help="Calls that were refused, and why.")


@app.command()
def audit(
    domain: Annotated[str, typer.Option(help="Name of a domain, or * for all; needs the operator's key.")] = "",
    rule: Annotated[str, typer.Option(help="Only refusals by this rule.")] = "",
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the server answers.")] = False,
) -> None:
    """Calls that were refused, newest first."""
    answer = connect().get("/ringback/audit", limit=limit, domain=domain or None, rule=rule or None)
    if as_json:
        show_json(answer)
        return
    rows = [
        {**row, "who": f"{row['asker']['kind']} {row['asker']['id']}".strip(), "why": f"{row['rule']}: {row['info']}"}
        for row in answer["data"]
    ]
    columns = {"at": "at", "who": "who", "room": "room", "by": "by", "to": "destination", "why": "why"}
    show_table(rows, columns, "Nothing was refused.")
