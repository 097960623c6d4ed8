"""`anju doctor`: what of an installation works, and what does not."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from app.output import Exit, fail, say, say_json
from app.rule_files import rules_folder
from app.settings import Settings
from ingest.probe import BrokerUnavailableError, probe_broker
from rules.loader import RuleFileError, load_rules
from store.database import DatabaseUnavailableError, connect
from store.ownership import partition_owners
from store.readiness import missing_schema


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    good: bool
    detail: str


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False) -> None:
    """Look at settings, database, schema, ingest, broker and rules; exit code 1 if anything is wrong.

    Example: anju doctor
    """
    settings = Settings.load()
    checks: tuple[Callable[[Settings], list[Finding]], ...] = (_database, _broker, _rules)
    findings = [finding for check in checks for finding in check(settings)]
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.good else 'BAD '} {finding.name}: {finding.detail}")
    if not all(finding.good for finding in findings):
        raise fail("", Exit.REFUSED)


def _database(settings: Settings) -> list[Finding]:
    try:
        with closing(connect(settings.need("database_url"), application_name="anju doctor")) as connection:
            missing = missing_schema(connection)
            owners = partition_owners(connection)
    except DatabaseUnavailableError as error:
        return [Finding("database", good=False, detail=str(error))]
    schema = f"`anju migrate` has still to make {', '.join(missing)}" if missing else "of this version"
    work = "at work" if owners else "nobody receives: start `anju ingest`"
    return [
        Finding("database", good=True, detail="answers"),
        Finding("schema", not missing, schema),
        Finding("ingest", bool(owners), work),
    ]


def _broker(settings: Settings) -> list[Finding]:
    try:
        probe_broker(settings.need("mqtt_url"))
    except BrokerUnavailableError as error:
        return [Finding("broker", good=False, detail=str(error))]
    return [Finding("broker", good=True, detail="accepts the account of ingest")]


def _rules(settings: Settings) -> list[Finding]:
    try:
        pack = load_rules(rules_folder(settings.rules_dir))
    except RuleFileError as error:
        return [Finding("rules", good=False, detail=str(error))]
    return [Finding("rules", good=True, detail=f"{len(pack.rules)} rules, all examples hold")]
