"""`anju simulate --scenario NAME`: a scenario by hand, against a running Anju, and what came of it."""

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
from store.registry.registry import load_devices
from store.telemetry.device_state import newest_reading

_MOST_ALERTS = 1000
_SETTLED_S = 4.0
_PATIENCE_S = 120.0


def list_scenarios() -> None:
    """Print the name of every scenario, what happens in it, and how many alerts must come of it."""
    for scenario in all_scenarios():
        pace = f"实时播放 {in_chinese(scenario.lasts)}" if scenario.live else "立即播放"
        say(f"{scenario.name:24}{scenario.zh}（应报 {len(scenario.expected)} 条，{pace}）")


def play_scenario(settings: Settings, name: str) -> None:
    """Register the community of the scenario, send all that its devices say, and compare the alerts that are stored.

    A scenario keeps its own dates and is sent at once; one that is `live` begins now and takes its time. Sent again it
    changes nothing, because everything is stored already.
    """
    try:
        scenario = find_scenario(name)
    except ScenarioError as error:
        raise fail(str(error), Exit.USAGE) from None
    if scenario.live:
        scenario = scenario.model_copy(update={"start": datetime.now(UTC)})
    whole, scenario = scenario, _as_seen_by_hand(scenario, load_rules(rules_folder(settings.rules_dir)))
    say(f"{scenario.zh} ({scenario.community})")
    if len(whole.expected) > len(scenario.expected):
        say(f"{len(whole.expected) - len(scenario.expected)} of its alerts are about silence or Anju itself: left out")
    if scenario.broker_away:
        away = scenario.broker_away
        say(f"stop the broker {away.start} from now, and start it again {away.lasts} later")
    with closing(connect(settings.need("database_url"), application_name="anju simulate")) as connection:
        connection.autocommit = True
        with translated_errors():
            register(connection, scenario.plan)
            sent = _send(settings, scenario)
            raised = _settled(connection, scenario)
    score = score_alerts(scenario, raised)
    say(f"sent {sent} messages of {len(scenario.devices)} devices\n{score_table([score])}")
    if not score.perfect:
        raise fail("the alerts are not those that this scenario expects", Exit.REFUSED)


def _as_seen_by_hand(scenario: Scenario, pack: RulePack) -> Scenario:
    """What can be expected: nobody counts as silent by what is sent at once, and Anju's own alerts are everybody's."""
    silences = set() if scenario.live else {rule.name for rule in pack.rules if rule.no_data}
    expected = tuple(each for each in scenario.expected if each.device and each.rule not in silences)
    return scenario.model_copy(update={"expected": expected})


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


def _settled(connection: Connection, scenario: Scenario) -> list[RaisedAlert]:
    """The alerts of its community, once neither they nor the readings change any more."""
    ids = [device.id for device in load_devices(connection, [scenario.community])]
    until = time.monotonic() + _PATIENCE_S
    since, last = time.monotonic(), None
    while time.monotonic() < until:
        seen = newest_reading(connection, ids), _alerts(connection, scenario)
        if seen != last:
            since, last = time.monotonic(), seen
        elif seen[0] is not None and time.monotonic() - since > _SETTLED_S:
            return seen[1]
        time.sleep(0.5)
    raise fail("the readings do not arrive or do not end: is ingest at work? anju doctor tells", Exit.UNAVAILABLE)


def _alerts(connection: Connection, scenario: Scenario) -> list[RaisedAlert]:
    wanted = AlertFilter(community=scenario.community, since=scenario.start)
    stored = list_alerts(connection, wanted, None, _MOST_ALERTS, datetime.now(UTC))
    return [RaisedAlert(alert.rule, alert.device or "", alert.opened_at, alert.ended_at) for alert in stored]
