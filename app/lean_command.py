"""Commands that start fast: typer imports pydantic to convert even a value that was not given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

if TYPE_CHECKING:
    from typer._click import Context, Parameter


class _Option(TyperOption):
    """Option that does not convert an absent value."""

    def process_value(self, ctx: Context, value: object) -> object:
        return _absent(self, ctx) if _is_absent(self, value) else super().process_value(ctx, value)


class _Argument(TyperArgument):
    """Argument that does not convert an absent value."""

    def process_value(self, ctx: Context, value: object) -> object:
        return _absent(self, ctx) if _is_absent(self, value) else super().process_value(ctx, value)


class LeanCommand(TyperCommand):
    """Command that does not convert absent values."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return the options and arguments, `--help` included."""
        return _lean(super().get_params(ctx))


class LeanGroup(TyperGroup):
    """Group that does not convert absent values."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return the options, `--help` included."""
        return _lean(super().get_params(ctx))


def _is_absent(parameter: Parameter, value: object) -> bool:
    return value is None and not parameter.required and not parameter.multiple and parameter.nargs == 1


def _absent(parameter: Parameter, ctx: Context) -> object:
    return parameter.callback(ctx, parameter, None) if parameter.callback else None


def _lean(parameters: list[Parameter]) -> list[Parameter]:
    for parameter in parameters:
        parameter.__class__ = _Option if isinstance(parameter, TyperOption) else _Argument
    return parameters
