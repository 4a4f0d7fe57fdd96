"""``ringback webhooks``: where a domain's events go, what was sent there, and sending it again."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ringback.cli.client import connect, quoted, show_fields, show_json, show_table

app = typer.Typer(
    help="Webhooks: add, list, test and remove them; see what was sent and send it again.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id from: webhooks list")]


FAILED = "FAILED"


def what_to_do(webhook: str) -> str:
    """About one that is told nothing any more."""
    return (
        f"See what its server answers: ringback webhooks deliveries {webhook}; mend that, and send what waits: "
        f"ringback webhooks resume {webhook}"
    )


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """All webhooks of the domain."""
    rows = connect().get("/webhooks")
    if as_json:
        show_json(rows)
        return
    columns = {
        "id": "uuid",
        "url": "url",
        "events": "events",
        "retries": "retryType",
        "state": "state",
        "failures": "failedCount",
        "last sent": "lastMomentPushed",
    }
    show_table(
        [{**row, "events": ", ".join(row["eventTypes"]) or "all"} for row in rows], columns, "There are no webhooks."
    )
    for row in rows:
        if row["state"] == FAILED:
            typer.echo(
                f"{row['uuid']} is told nothing, as it failed {row['failedCount']} times. {what_to_do(row['uuid'])}"
            )


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to POST; it must answer a test with 200.")],
    event: Annotated[
        list[str] | None, typer.Option(help="Only this type of event, such as dialin.connected; may be repeated.")
    ] = None,
    exponential: Annotated[
        bool, typer.Option("--exponential", help="Try each event five times instead of stopping at three failures.")
    ] = False,
    basic_auth: Annotated[str | None, typer.Option(help="user:password for the receiving server.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook. Prints its id and the secret that signs what is sent."""
    body: dict[str, object] = {"url": url, "retryType": "exponential" if exponential else "circuit-breaker"}
    if event:
        body["eventTypes"] = event
    if basic_auth:
        body["basicAuth"] = basic_auth
    answer = connect().post("/webhooks", body)
    if as_json:
        show_json(answer)
    else:
        events = ", ".join(answer["eventTypes"]) or "all"
        show_fields({"id": answer["uuid"], "sends": events, "signs with": answer["hmac"]})


@app.command()
def resume(webhook: Id, as_json: AsJson = False) -> None:
    """Test a webhook again; when it answers, it gets what it is owed."""
    answer = connect().post(f"/webhooks/{quoted(webhook)}", {})
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{answer['uuid']} is {answer['state']}")


@app.command()
def remove(webhook: Id) -> None:
    """Remove a webhook and what it is owed."""
    connect().delete(f"/webhooks/{quoted(webhook)}")
    typer.echo(f"removed {webhook}")


@app.command()
def deliveries(
    webhook: Id,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """What was sent to a webhook, and what became of it."""
    rows = connect().get(f"/ringback/webhooks/{quoted(webhook)}/deliveries?limit={limit}")["data"]
    if as_json:
        show_json(rows)
        return
    columns = {
        "delivery": "delivery",
        "type": "type",
        "created": "created_at",
        "state": "state",
        "tries": "tries",
        "last answer": "last",
    }
    show_table(
        [{**row, "tries": len(row["attempts"]), "last": _last(row)} for row in rows], columns, "Nothing was sent yet."
    )


@app.command()
def redeliver(
    webhook: Id,
    delivery: Annotated[int, typer.Argument(help="Number from: webhooks deliveries")],
    as_json: AsJson = False,
) -> None:
    """Send something once more, under the same id."""
    answer = connect().post(f"/ringback/webhooks/{quoted(webhook)}/deliveries/{delivery}/redeliver", {})
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"delivery {answer['delivery']} ({answer['type']}) is on its way again")


def _last(row: Mapping[str, Any]) -> str:
    if not row["attempts"]:
        return ""
    last = row["attempts"][-1]
    return str(last["status"] or last["error"] or "")
