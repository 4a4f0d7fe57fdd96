"""How a command says what is wrong."""

from typing import NoReturn

import typer


def fail(sentence: str) -> NoReturn:
    """Say what is wrong on stderr and end with status 1."""
    typer.echo(f"ringback: {sentence}", err=True)
    raise typer.Exit(1)
