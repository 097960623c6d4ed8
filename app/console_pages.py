"""Console beside the API, with the parts of the process that both use."""

from starlette.datastructures import State
from starlette.types import ASGIApp

from api.rules import rules_in_force
from console.app import create_console
from console.files import read_files
from console.services import DemoAccount, Services


def console_pages(state: State, *, demo_accounts: tuple[DemoAccount, ...] = ()) -> ASGIApp:
    """Return the console over the parts that the API's application holds."""
    return create_console(
        Services(
            database=state.database, seal=state.seal, files=read_files(), feed=state.feed, find=state.guard.find,
            forget=state.guard.forget, rules_in_force=lambda: rules_in_force(state.rules), demo_accounts=demo_accounts,
        )
    )  # fmt: skip
