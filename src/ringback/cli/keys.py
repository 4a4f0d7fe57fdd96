"""``ringback keys``: make, list and revoke API keys. Needs the operator's key."""

from typing import Annotated

import typer

from ringback.cli.client import connect, quoted, show_json, show_table

app = typer.Typer(help="API keys: make, list and revoke them. Needs the operator's key.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """All active keys."""
    rows = connect().get("/ringback/keys")["data"]
    if as_json:
        show_json(rows)
        return
    columns = {
        "id": "id",
        "domain": "domain",
        "label": "label",
        "operator": "operator",
        "ends with": "ends_with",
        "created": "created_at",
    }
    show_table(rows, columns, "There are no keys.")


@app.command()
def add(
    label: Annotated[str, typer.Argument(help="What it is for.")] = "",
    domain: Annotated[str | None, typer.Option(help="Name of the domain; the first when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed now and never again."""
    body = {"label": label, **({"domain": domain} if domain else {})}
    answer = connect().post("/ringback/keys", body)
    if as_json:
        show_json(answer)
    else:
        typer.echo(answer["key"])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id from: keys list")], as_json: AsJson = False
) -> None:
    """End a key, and with it every token it signed."""
    answer = connect().delete(f"/ringback/keys/{quoted(key_id)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"revoked {answer['id']}")
