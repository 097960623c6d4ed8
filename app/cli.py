"""The `anju` command."""

import sys
from typing import Any

import typer

from app.lazy_group import Entry, GroupEntry, LazyGroup, Table

# The help repeats the first paragraph of the function's docstring, so that a list of commands imports none of them.
COMMANDS: Table = {
    "up": Entry(
        "Run everything on this machine until Ctrl-C: database, broker, ingest, API and worker.",
        "app.commands.up:up",
    ),
    "migrate": Entry(
        "Bring the database to this version. Run it before the other parts start; twice changes nothing.",
        "app.commands.migrate:migrate",
    ),
    "roles": Entry(
        "Give the database its roles, one for each part, and let them own, read and write no more than they need.",
        "app.commands.roles:roles",
    ),
    "ingest": Entry(
        "Receive from the broker, store, evaluate the rules and raise alerts, until SIGTERM.",
        "app.commands.ingest:ingest",
    ),
    "api": Entry("Serve the HTTP API until SIGTERM.", "app.commands.api:api"),
    "door": Entry(
        "Answer the broker, for every device, whether it may log in, until SIGTERM.", "app.commands.door:door"
    ),
    "worker": Entry(
        "Send notices of alerts, and drop data older than ANJU_RETENTION_DAYS every hour, until SIGTERM.",
        "app.commands.worker:worker",
    ),
    "backup": Entry(
        "Back up the database into an encrypted file, once or every night.",
        "app.commands.backup:backup",
    ),
    "restore": Entry(
        "Restore a backup into an empty database, or only check that the file is whole.",
        "app.commands.restore:restore",
    ),
    "import": Entry(
        "Import the registry from CSV or XLSX: everything, or nothing and every reason why not (exit code 1).",
        "app.commands.registry:import_",
    ),
    "withdraw": GroupEntry(
        "Withdraw households and devices from the registry.",
        {
            "device": Entry(
                "Withdraw a device: it is counted and evaluated no more, its messages are rejected, and its history "
                "stays.",
                "app.commands.withdraw:device",
            ),
            "household": Entry(
                "Withdraw a household without devices: it is counted no more. Import it again to register it again.",
                "app.commands.withdraw:household",
            ),
        },
    ),
    "erase": Entry(
        "Erase what is stored of a number plate, a door user or a household; without --yes only count it.",
        "app.commands.erase:erase",
    ),
    "simulate": Entry(
        "Send the messages of the simulated devices of the registry through the real broker.",
        "app.commands.simulate:simulate",
    ),
    "replay": Entry(
        "Register the meters of a recording (DAIAD trial A) and send every reading through the real broker.",
        "app.commands.simulate:replay",
    ),
    "verify": Entry(
        "Verify a community over a window, print the result and write it as JSON and HTML.",
        "app.commands.verify:verify",
    ),
    "witness": GroupEntry(
        "Record alarms that people trigger on site; acceptance looks for their arrival.",
        {
            "add": Entry(
                "Record a test right after the alarm was triggered; `anju witness list` shows whether it arrived.",
                "app.commands.witness:add",
            ),
            "list": Entry(
                "List the tests of the last days, latest first, each with its result.",
                "app.commands.witness:list_tests",
            ),
            "withdraw": Entry(
                "Withdraw a test recorded by mistake: it counts for nothing, and reports list it with the reason.",
                "app.commands.witness:withdraw",
            ),
        },
    ),
    "doctor": Entry(
        "Look at settings, database, schema, ingest, broker, disks and rules; exit code 1 if anything is wrong.",
        "app.commands.doctor:doctor",
    ),
    "rejections": Entry(
        "List the messages and fields that could not be used, newest first, each with its reason.",
        "app.commands.rejections:rejections",
    ),
    "replacement": GroupEntry(
        "Replacements of meters (换表).",
        {
            "record": Entry(
                "Record the replacement of a meter (换表), so that its consumption goes on across it.",
                "app.commands.replacement:record",
            ),
            "list": Entry(
                "List the replacements of a meter, newest first, including withdrawn ones.",
                "app.commands.replacement:show",
            ),
            "withdraw": Entry(
                "Withdraw a replacement that was recorded by mistake; it stays listed.",
                "app.commands.replacement:withdraw",
            ),
        },
    ),
    "secrets": GroupEntry(
        "The secrets that devices log in with.",
        {
            "rotate": Entry(
                "Give a device a new secret and print it, this once; the old one stops working.",
                "app.commands.registry:rotate",
            ),
            "sheet": Entry(
                "Make a sheet for the installers (A4), with the login of each device as QR code and text.",
                "app.commands.enrolment:make_sheet",
            ),
            "certificate": Entry(
                "Issue a certificate with which a device logs in, from the private authority of `anju up`.",
                "app.commands.enrolment:certificate",
            ),
            "show-ca": Entry(
                "Print the authorities by which devices recognise the broker, as PEM.",
                "app.commands.enrolment:show_ca",
            ),
        },
    ),
    "accounts": GroupEntry(
        "Accounts of people: roles, communities, passwords, second factors.",
        {
            "list": Entry("List the accounts with their roles and scopes.", "app.commands.accounts:show"),
            "create": Entry(
                "Create an account and print its initial password, this once; the first login replaces it.",
                "app.commands.accounts:create",
            ),
            "change": Entry(
                "Change role and scope of an account, and end its sessions.", "app.commands.accounts:change"
            ),
            "reset-password": Entry(
                "Give an account a new initial password and print it, this once; its sessions end.",
                "app.commands.accounts:reset",
            ),
            "disable": Entry(
                "Disable an account: its sessions end, and its keys open nothing.", "app.commands.accounts:disable"
            ),
            "enable": Entry("Enable a disabled account again.", "app.commands.accounts:enable"),
            "remove-second-factor": Entry(
                "Remove the second factor of a lost phone; an administrator sets up a new one at the next login.",
                "app.commands.accounts:forget_second_factor",
            ),
            "sign-out": Entry("End all sessions of an account; its keys stay.", "app.commands.accounts:sign_out"),
        },
    ),
    "audit": GroupEntry(
        "Prove that the audit log is whole, and copy it off the machine.",
        {
            "verify": Entry(
                "Prove that no row of the audit log was changed, put in or taken out; exit code 1 names the first "
                "broken row.",
                "app.commands.audit:verify",
            ),
            "export": Entry(
                "Write the audit log as JSON Lines with the hashes of its chain, for a copy on another machine.",
                "app.commands.audit:export",
            ),
        },
    ),
    "rules": GroupEntry(
        "Check maintenance rules, test them, run them over the past, and explain alerts.",
        {
            "backtest": Entry(
                "Run rules over the past, and measure the alert load against the goals for a property manager.",
                "app.commands.backtest:run_backtest",
            ),
            "explain": Entry(
                "Explain each step of an alert, or the state of a rule on a device and its next step.",
                "app.commands.explain:explain_alert",
            ),
            "shadow": Entry(
                "List the alerts that rules with `shadow: true` would have raised, newest first. None of them was "
                "notified.",
                "app.commands.shadow:list_shadow",
            ),
            "check": Entry(
                "Check every rule file and run its examples; list each mistake with its line and its remedy.",
                "app.commands.rules:check",
            ),
            "test": Entry(
                "Run the examples of every rule, and show the failing ones step by step.",
                "app.commands.rules:run_examples",
            ),
        },
    ),
    "notify": GroupEntry(
        "Check the contacts of alerts, and try their channels.",
        {
            "check": Entry(
                "Check the file, and list the first channels for each community and severity.",
                "app.commands.notify:check",
            ),
            "test": Entry(
                "Send a test message through every channel of a contact; exit code 1 if one does not accept it.",
                "app.commands.notify:try_out",
            ),
            "retry": Entry(
                "Queue undelivered notices of open alerts again. Do it when the channel works again.",
                "app.commands.notify:retry",
            ),
        },
    ),
    "grafana": GroupEntry(
        "Dashboards in Grafana.",
        {
            "export": Entry(
                "Write data source and dashboards as Grafana provisioning files.", "app.commands.dashboards:export"
            ),
            "apply": Entry(
                "Bring a running Grafana to these dashboards; a second run changes nothing.",
                "app.commands.dashboards:apply",
            ),
        },
    ),
}


class Anju(LazyGroup):
    """Group of all commands."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - those of TyperGroup
        super().__init__(COMMANDS, **{**attributes, "commands": None})


app = typer.Typer(
    cls=Anju,
    help="Anju (安居): monitoring for renovated residential communities. Start with: anju up --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def anju() -> None:
    """Make a group of an application that registers no command itself."""


def main() -> None:
    """Run the command. An error that can happen on a good machine ends it with one message and an exit code.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage or settings, 3 insufficient data, 4 a server is away.
    """
    try:
        app()
    except Exception as error:
        from app.failures import explain  # noqa: PLC0415 - psycopg and pydantic, for a command that has failed

        if (failure := explain(error)) is None:
            raise
        message, code = failure
        typer.echo(message, err=True)
        sys.exit(int(code))
