"""`anju rules explain`: reasons for an alert, or for its absence."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from app.alert_lines import alert_subject
from app.explain_text import print_explanation
from app.output import Exit, Json, fail, say_json
from app.rule_files import chosen_rule, rules_folder
from app.settings import Settings
from devices.device import Device
from devices.local_time import CITY, local_time_zh
from ingest.instance_rows import device_state_of, state_of
from rules.analysis.backtest import Span, fresh_engine, replay
from rules.analysis.explain import ProcessTransition, explain
from rules.analysis.instance_status import instance_status
from rules.analysis.stored_history import stored_arrivals, wanted_history
from rules.engine.device_state import DeviceState
from rules.engine.state_machine import InstanceState
from rules.language.loader import load_rules
from rules.model.labels_zh import ATTENTION, PROCESS, SUPPRESSION
from rules.model.rule import Rule, RulePack
from rules.model.subject_zh import subject_of
from store.alerts.alerts import AlertRow, find_alert
from store.alerts.rule_state import find_rule_state
from store.alerts.suppression import Cause, causes_of
from store.alerts.transitions import StoredTransition, list_transitions, previous_transition
from store.database import Connection, connect, translated_errors
from store.registry.registry import load_devices
from store.telemetry.device_state import find_device_state
from store.telemetry.history import read_ingest_lags

_LOOK_BACK = timedelta(days=7)


def explain_alert(
    alert: Annotated[UUID | None, typer.Argument(help="the id of an alert", metavar="ALERT-ID")] = None,
    *,
    rule: Annotated[str | None, typer.Option(help="a rule: why it fired, or why it did not")] = None,
    device: Annotated[str | None, typer.Option(help="its device, as COMMUNITY/DEVICE")] = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], help="local time; by default now"),
    ] = None,
    folder: Annotated[Path | None, typer.Option("--rules", help="a folder of rule files; by default in force")] = None,
    as_json: Json = False,
) -> None:
    """Explain each step of an alert, or the state of a rule on a device and its next step.

    With --at, the rule is run anew over the stored history of the week before.

    Example: anju rules explain --rule water_leak --device linyin-xiaoqu/b01-u1-0101-water --at 2026-11-25T08:30
    """
    settings = Settings.load()
    if (alert is None) == (rule is None or device is None):
        raise fail("name an alert by its id, or a rule by --rule and its device by --device", Exit.USAGE)
    with (
        closing(connect(settings.need("database_url"), application_name="anju rules explain")) as connection,
        translated_errors(),
        connection.transaction(),
    ):
        if alert is not None:
            explanation = _alert_explanation(connection, alert)
        else:
            pack = load_rules(rules_folder(folder or settings.rules_dir))
            moment = at and at.replace(tzinfo=CITY).astimezone(UTC)
            explanation = _instance_explanation(connection, chosen_rule(pack, str(rule)), str(device), moment)
    if as_json:
        say_json(explanation)
    else:
        print_explanation(explanation)


def _alert_explanation(connection: Connection, alert_id: UUID) -> dict[str, Any]:
    alert, now = find_alert(connection, alert_id), datetime.now(UTC)
    if alert is None:
        raise fail(f"there is no alert {alert_id}: the API lists them under /api/v1/alerts", Exit.REFUSED)
    steps = list_transitions(connection, alert_id)
    pending = previous_transition(connection, alert.rule, alert.device_id, steps[0].id) if steps else None
    if pending and pending.to_state == "pending":
        steps = [pending, *steps]
    causes = causes_of(connection, [alert_id], now).get(alert_id, ())
    return {
        "rule": alert.rule,
        "device": f"{alert.community}/{alert.device}" if alert.device else None,
        "subject": alert_subject(alert),
        "title": alert.title,
        "message": alert.message,
        "process": alert.process,
        "attention": alert.attention,
        "state": [f"{PROCESS[alert.process]}，{ATTENTION[alert.attention]}", *map(_suppression_zh, causes)],
        "steps": [_step(step, alert) for step in steps],
    }


def _step(step: StoredTransition, alert: AlertRow) -> dict[str, Any]:
    by_rule = step.axis == "process"
    transition = ProcessTransition(
        kind=alert.kind,
        from_phase=step.from_state,
        to_phase=step.to_state,
        at=step.at,
        reason=step.reason,
        inputs=step.inputs,
    )
    by_person = [" ".join(filter(None, (step.actor, step.comment)))] if step.actor or step.comment else []
    return {
        "at": step.at,
        "decided_at": step.decided_at,
        "from": step.from_state,
        "to": step.to_state,
        "reason": step.reason,
        "why": list(explain(transition)) if by_rule else by_person,
        "inputs": step.inputs,
    }


def _suppression_zh(cause: Cause) -> str:
    until = f"，到{local_time_zh(cause.until)}为止" if cause.until else ""
    return f"不通知：{SUPPRESSION[cause.name]}（{cause.detail}）{until}"


def _instance_explanation(connection: Connection, rule: Rule, path: str, at: datetime | None) -> dict[str, Any]:
    community, _, name = path.partition("/")
    device = next((each for each in load_devices(connection, [community]) if each.name == name), None)
    if device is None:
        raise fail(f"there is no device {path}: write COMMUNITY/DEVICE as the registry names them", Exit.REFUSED)
    if device.kind != rule.kind:
        raise fail(f"{path} is a {device.kind}, and {rule.name} is a rule for a {rule.kind}", Exit.USAGE)
    now = at or datetime.now(UTC)
    state, device_state = (
        _replay_instance(connection, rule, device, at) if at else _load_instance(connection, rule, device)
    )
    return {
        "rule": rule.name,
        "device": path,
        "subject": subject_of(device),
        "title": rule.title,
        "message": f"{local_time_zh(now)}，{'按历史数据重新推算' if at else '按当前保存的状态'}",
        "phase": state.phase if state else "normal",
        "deadline": state.deadline if state else None,
        "state": list(instance_status(rule, state, device_state, now)),
        "steps": [],
    }


def _load_instance(
    connection: Connection, rule: Rule, device: Device
) -> tuple[InstanceState | None, DeviceState | None]:
    row, device_state = find_rule_state(connection, rule.name, device.id), find_device_state(connection, device.id)
    return state_of(row) if row else None, device_state_of(device_state) if device_state else None


def _replay_instance(
    connection: Connection, rule: Rule, device: Device, at: datetime
) -> tuple[InstanceState | None, DeviceState | None]:
    pack, span = RulePack((rule,)), Span(at - _LOOK_BACK, at)
    engine = fresh_engine(pack, span.start, {device.id: device})
    paused = [Span(*each) for each in read_ingest_lags(connection, *span)]
    for _ in replay(engine, stored_arrivals(connection, wanted_history(pack, span, [device.id])), span, paused):
        pass
    return engine.instance(rule.name, device.id), next(engine.drain_device_states(), None)
