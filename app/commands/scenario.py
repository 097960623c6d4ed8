"""`anju simulate --scenario NAME`: play a scenario against a running Anju and compare the alerts."""

import time
from contextlib import closing
from datetime import UTC, datetime

from app.output import Exit, fail, say
from app.rule_files import rules_folder
from app.settings import Settings
from app.signals import stop_on_signals
from app.simulation import register
from rules.language.loader import load_rules
from rules.model.duration import in_chinese
from rules.model.rule import RulePack
from simulators.fleet import Fleet
from simulators.publisher import Publisher, PublisherError
from simulators.run import run
from simulators.scenarios.scenario import SEED, Scenario, ScenarioError, all_scenarios, find_scenario
from simulators.scenarios.score import RaisedAlert, score_alerts, score_table
from store.alerts.alerts import AlertFilter, list_alerts
from store.database import Connection, connect, translated_errors
from store.registry.devices import find_device
from store.registry.registry import load_devices
from store.registry.replacements import NewReplacement, list_replacements, record_replacement
from store.telemetry.device_state import newest_reading

_MAX_ALERTS = 1000
_STABLE_S = 4.0
_TIMEOUT_S = 120.0


def list_scenarios() -> None:
    """Print the name, the summary and the number of expected alerts of every scenario."""
    for scenario in all_scenarios():
        pace = f"实时播放 {in_chinese(scenario.lasts)}" if scenario.live else "立即播放"
        say(f"{scenario.name:24}{scenario.zh}（应报 {len(scenario.expected)} 条，{pace}）")


def play_scenario(settings: Settings, name: str) -> None:
    """Register the community of the scenario, send its messages, and compare the stored alerts with the expected ones.

    A scenario keeps its own dates and is sent at once; a `live` one begins now and runs in real time. Sending it again
    changes nothing, because all of it is stored already.
    """
    try:
        scenario = find_scenario(name)
    except ScenarioError as error:
        raise fail(str(error), Exit.USAGE) from None
    if scenario.live:
        scenario = scenario.model_copy(update={"start": datetime.now(UTC)})
    complete, scenario = scenario, _observable_part(scenario, load_rules(rules_folder(settings.rules_dir)))
    say(f"{scenario.zh} ({scenario.community})")
    if len(complete.expected) > len(scenario.expected):
        omitted = len(complete.expected) - len(scenario.expected)
        say(f"{omitted} of its alerts are about absent data or Anju itself: left out")
    if scenario.broker_away:
        outage = scenario.broker_away
        say(f"stop the broker {outage.start} from now, and start it again {outage.lasts} later")
    with closing(connect(settings.need("database_url"), application_name="anju simulate")) as connection:
        connection.autocommit = True
        with translated_errors():
            register(connection, scenario.plan)
            _record_replacements(connection, scenario)
            sent = _send(settings, scenario)
            raised = _await_alerts(connection, scenario)
    score = score_alerts(scenario, raised)
    say(f"sent {sent} messages of {len(scenario.devices)} devices\n{score_table([score])}")
    if not score.perfect:
        raise fail("the alerts differ from those that this scenario expects", Exit.REFUSED)


def _observable_part(scenario: Scenario, pack: RulePack) -> Scenario:
    """Return the scenario with the alerts that can be observed.

    Sending at once leaves no time without data, and alerts about Anju itself belong to no community.
    """
    no_data_rules = set() if scenario.live else {rule.name for rule in pack.rules if rule.no_data}
    expected = tuple(each for each in scenario.expected if each.device and each.rule not in no_data_rules)
    return scenario.model_copy(update={"expected": expected})


def _record_replacements(connection: Connection, scenario: Scenario) -> None:
    """Record the replacements of the scenario, unless an earlier run has done so."""
    for meter in scenario.devices:
        device = find_device(connection, scenario.community, meter.name) if meter.replacements else None
        if device is None:
            continue
        recorded = {(row.field, row.at) for row in list_replacements(connection, device.id)}
        for field, at, old, new in meter.replacements:
            if (field, at) not in recorded:
                exchange = NewReplacement(field=field, at=at, old_register=old, new_register=new, actor="演练")
                with connection.transaction():
                    record_replacement(connection, device, exchange, datetime.now(UTC))


def _send(settings: Settings, scenario: Scenario) -> int:
    stop = stop_on_signals()
    try:
        with Publisher(settings.need("publish_mqtt_url")) as publisher:
            return run(
                Fleet(scenario.devices, SEED, scenario.parse_faults()),
                publisher,
                start=scenario.start,
                until=scenario.end,
                speed=1 if scenario.live else 0,
                now=lambda: datetime.now(UTC),
                sleep=time.sleep,
                stop=stop.is_set,
            )
    except PublisherError as error:
        raise fail(str(error), Exit.UNAVAILABLE) from None


def _await_alerts(connection: Connection, scenario: Scenario) -> list[RaisedAlert]:
    """Return the alerts of the community, once neither they nor the readings change any more."""
    ids = [device.id for device in load_devices(connection, [scenario.community])]
    deadline = time.monotonic() + _TIMEOUT_S
    since, last = time.monotonic(), None
    while time.monotonic() < deadline:
        state = newest_reading(connection, ids), _alerts(connection, scenario)
        if state != last:
            since, last = time.monotonic(), state
        elif state[0] is not None and time.monotonic() - since > _STABLE_S:
            return state[1]
        time.sleep(0.5)
    raise fail("the readings do not arrive or do not end: is ingest running? anju doctor shows it", Exit.UNAVAILABLE)


def _alerts(connection: Connection, scenario: Scenario) -> list[RaisedAlert]:
    # As in the dry run, an alert that another one explains is none that people hear of.
    alert_filter = AlertFilter(community=scenario.community, since=scenario.start, suppressed=False)
    stored = list_alerts(connection, alert_filter, None, _MAX_ALERTS, datetime.now(UTC))
    return [RaisedAlert(alert.rule, alert.device or "", alert.opened_at, alert.ended_at) for alert in stored]
