"""How a command says what is wrong."""

from typing import NoReturn

import typer

from ringback.cli.plain import plain


def fail(sentence: str) -> NoReturn:
    """Say what is wrong on stderr and end with status 1."""
    # What a far end or a customer wrote may be in it.
    typer.echo(f"ringback: {plain(sentence)}", err=True)
    raise typer.Exit(1)
