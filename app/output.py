"""Output and exit code of a command."""

import enum
import json
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
"""Option of the commands that answer a person or a program."""


class Exit(enum.IntEnum):
    """Exit codes of the commands."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    INSUFFICIENT_DATA = 3
    UNAVAILABLE = 4


def say(text: str) -> None:
    """Print for a person, on standard output."""
    typer.echo(text)


def say_json(content: Any) -> None:  # noqa: ANN401
    """Print for a program: one JSON document on standard output."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2, default=str))


def fail(message: str, code: Exit) -> typer.Exit:
    """Print an error on standard error and return the exception that ends the command."""
    typer.echo(message, err=True)
    return typer.Exit(int(code))
