"""Failures that a command ends with: one message and an exit code."""

from app.output import Exit
from app.settings import SettingsError
from local.errors import LocalError
from rules.model.rule import RulesError
from store.database import DatabaseUnavailableError, StoreError


def explain(error: Exception) -> tuple[str, Exit] | None:
    """Return the message and the exit code of an error that can happen on a good machine; None for a defect of Anju."""
    match error:
        case SettingsError():
            return str(error), Exit.USAGE
        case DatabaseUnavailableError() | LocalError():
            return str(error), Exit.UNAVAILABLE
        case StoreError() | RulesError():
            return str(error), Exit.REFUSED
        case OSError() if error.filename is not None:
            return f"{error.filename} cannot be used: {error.strerror}", Exit.REFUSED
        case _:
            return None
