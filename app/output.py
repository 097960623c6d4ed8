"""Output and exit code of a command."""

import enum
import json
from typing import Annotated, Any

import typer

from devices.text import visible

Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
"""Option of the commands that answer a person or a program."""


class Exit(enum.IntEnum):
    """Exit codes of the commands."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    INSUFFICIENT_DATA = 3
    UNAVAILABLE = 4


def harmless(text: str) -> str:
    """Return a text that commands no terminal: a device or an import may have written a part of it."""
    return "\n".join(map(visible, text.split("\n")))


def say(text: str) -> None:
    """Print for a person, on standard output."""
    typer.echo(harmless(text))


def say_json(content: Any) -> None:  # noqa: ANN401
    """Print for a program: one JSON document on standard output."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2, default=str))


def fail(message: str, code: Exit) -> typer.Exit:
    """Print an error on standard error and return the exception that ends the command."""
    typer.echo(harmless(message), err=True)
    return typer.Exit(int(code))
