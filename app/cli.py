"""The `anju` command."""

import sys

import typer

from app.commands import serve
from app.commands.dashboards import grafana
from app.commands.doctor import doctor
from app.commands.ingest import ingest
from app.commands.notify import notify
from app.commands.registry import import_, secrets
from app.commands.rules import rules
from app.commands.simulate import replay, simulate
from app.commands.up import up
from app.commands.verify import verify
from app.logging import configure_logging
from app.output import Exit
from app.settings import SettingsError
from local.errors import LocalError
from rules.model.rule import RulesError
from store.database import DatabaseUnavailableError, StoreError

app = typer.Typer(
    help="Anju (安居): monitoring for renovated residential communities. Start with: anju up --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(up)
for command in (serve.migrate, ingest, serve.api, serve.worker):
    app.command()(command)
app.command("import")(import_)
app.command()(simulate)
app.command()(replay)
app.command()(verify)
app.command()(doctor)
app.add_typer(secrets, name="secrets")
app.add_typer(rules, name="rules")
app.add_typer(notify, name="notify")
app.add_typer(grafana, name="grafana")


def main() -> None:
    """Run the command; what can go wrong on a good machine ends with one clear message and a code that means something.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage or settings, 3 insufficient data, 4 a server is away.
    """
    configure_logging()
    try:
        app()
    except SettingsError as error:
        _end(error, Exit.USAGE)
    except (DatabaseUnavailableError, LocalError) as error:
        _end(error, Exit.UNAVAILABLE)
    except (StoreError, RulesError) as error:
        _end(error, Exit.REFUSED)
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename} cannot be used: {error.strerror}", Exit.REFUSED)


def _end(error: Exception | str, code: Exit) -> None:
    typer.echo(str(error), err=True)
    sys.exit(int(code))
