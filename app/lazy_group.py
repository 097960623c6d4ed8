"""Groups of commands that import the module of a command when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from app.lean_command import LeanCommand, LeanGroup

if TYPE_CHECKING:
    from typer._click import Command, Context


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the table: the first paragraph of its help, and its function as `module:name`."""

    help: str
    function: str


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A group in the table: its help, and its commands by name."""

    help: str
    commands: Mapping[str, Entry]


Table = Mapping[str, Entry | GroupEntry]


class LazyCommands(Mapping[str, "Command"]):
    """The commands of a table by name. Access to one imports its module."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __getitem__(self, name: str) -> Command:
        entry = self._table[name]
        if isinstance(entry, GroupEntry):
            return LazyGroup(entry.commands, name=name, help=entry.help, no_args_is_help=True)
        module, _, function = entry.function.partition(":")
        alone = typer.Typer(add_completion=False)
        alone.command(name, cls=LeanCommand)(getattr(import_module(module), function))
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class LazyGroup(LeanGroup):
    """Group that imports a command's module only to run it or to print its help, not to list it."""

    def __init__(self, table: Table, **attributes: Any) -> None:  # noqa: ANN401 - those of LeanGroup
        super().__init__(**attributes)
        self._table = table
        self.commands = LazyCommands(table)  # type: ignore[assignment]  # read only, as typer uses it

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Return a placeholder with the name and the first paragraph of the help, enough for a list of commands."""
        return TyperCommand(cmd_name, help=self._table[cmd_name].help) if cmd_name in self._table else None

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Return the command that the first argument names, imported, and the arguments that remain for it."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, placeholder and self.commands[str(name)], rest
