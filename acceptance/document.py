"""Report as a JSON document: stable names, codes in English, texts in Chinese.

Its times are those of window and evidence, never the time of generation. Its numbers are integers, with shares as
decimal text. The canonical text (keys sorted, no spaces, UTF-8) is therefore the same on every machine.
`docs/acceptance.md` lists the fields.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from acceptance.coverage import Cell, CellState, Matrix
from acceptance.criterion import MeasuredCriterion, Medium
from acceptance.figure import Figure
from acceptance.labels import DEMO_NOTICE
from acceptance.plan_items import PlanClass
from acceptance.result import DeviceFigure, ItemResult, Refused, Report, Result, Verdict
from acceptance.witnessed import event_zh, result_of
from acceptance.wording import method
from devices.local_time import CITY
from devices.place import compose_place
from devices.schema import REASON_ZH
from store.telemetry.evidence import Community, Household, RegisteredDevice
from store.telemetry.window import Window
from store.telemetry.witnessed_tests import WitnessedTestRow

SCHEMA = "anju.verification/1"


Document = dict[str, Any]


def canonical_text(document: Mapping[str, Any]) -> bytes:
    """Return the bytes to hash, as `jq -jcS` writes them."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical_text(document)).hexdigest()


def document(report: Report) -> Document:
    """Return the whole report except its time of generation."""
    return {
        "schema": SCHEMA,
        "demo": report.demo,
        "notice": DEMO_NOTICE if report.demo else None,
        "outcome": report.outcome.value,
        "community": _community(report.community),
        "window": _window(report.window),
        "criteria_version": report.criteria_version,
        "classes": [_class(plan_class, report.items) for plan_class in PlanClass],
        "items": [_item(item, demo=report.demo) for item in report.items],
        "results": [_result(result, demo=report.demo) for result in report.results],
        "coverage": _coverage(report.matrix),
        "devices": [_device(device) for device in report.devices],
        "excluded": [{**_device(device), "reason": _exclusion(device)} for device in report.excluded],
        "refused": _refusals(report.refused),
        "waiting": report.waiting,
        "witnessed_tests": [_witnessed(test) for test in report.witnessed],
    }


def _time(at: datetime) -> str:
    return at.astimezone(CITY).isoformat(timespec="seconds")


def _window(window: Window) -> Document:
    return {"start": _time(window.start), "end": _time(window.end)}


def _community(community: Community) -> Document:
    return {
        "id": community.id,
        "name": community.name,
        "banner": community.banner,
        "street": community.street,
        "property_company": community.property_company,
        "built_year": community.built_year,
        "stage": community.stage,
        "started_on": community.started_on.isoformat() if community.started_on else None,
        "planned_finish": community.planned_finish.isoformat() if community.planned_finish else None,
    }


def _class(plan_class: PlanClass, items: Iterable[ItemResult]) -> Document:
    verdicts = Counter(item.verdict for item in items if item.item.plan_class is plan_class)
    return {"class": plan_class.value, "items": verdicts.total(), **{each.value: verdicts[each] for each in Verdict}}


def _item(result: ItemResult, *, demo: bool) -> Document:
    item = result.item
    return {
        "id": item.id,
        "class": item.plan_class.value,
        "title": item.title,
        "content": item.content,
        "source": item.source,
        "method": item.method.value,
        "verdict": result.verdict.value,
        "devices": sum(result.devices.values()),
        "devices_by_kind": dict(result.devices),
        "demo": demo,
    }


def _result(result: Result, *, demo: bool) -> Document:
    criterion = result.criterion
    sentence, unit = method(criterion.measure)
    return {
        "criterion": criterion.id,
        "plan_items": list(criterion.plan_items),
        "title": criterion.title,
        "method": sentence,
        "unit": unit,
        "basis": criterion.basis.value,
        "source": criterion.source,
        "verdict": result.verdict.value,
        "reason": result.reason.value if result.reason else None,
        "counted": result.counted,
        "demo": demo,
        "target": _target(criterion) if isinstance(criterion, MeasuredCriterion) else None,
        "figure": _figure(result.figure) if result.figure else None,
        "devices": result.devices,
        "simulated_devices": result.simulated_devices,
        "shortfalls": [_device_figure(each) for each in result.shortfalls],
        "silence": _window(result.common_gap) if result.common_gap else None,
    }


def _target(criterion: MeasuredCriterion) -> Document:
    return {
        "at_least": str(criterion.target.at_least),
        "minimum_window_s": int(criterion.target.window.total_seconds()),
        "minimum_sample": criterion.target.minimum_sample,
    }


def _figure(figure: Figure) -> Document:
    return {
        "k": figure.passed,
        "n": figure.total,
        "units": figure.units,
        "share": str(figure.share),
        "lower_bound": str(figure.lower_bound),
    }


def _device_figure(figure: DeviceFigure) -> Document:
    return {
        "device": figure.device.name,
        "kind": figure.device.kind,
        "place": _device_place(figure.device),
        "k": figure.passed,
        "n": figure.total,
        "last_at": _time(figure.last_at) if figure.last_at else None,
        "gap": _window(figure.gap) if figure.gap else None,
    }


def _refusals(refused: Collection[Refused]) -> Document:
    by_reason = Counter[str]()
    for each in refused:
        by_reason[each.reason] += each.times
    return {
        "total": by_reason.total(),
        "reasons": [
            {"reason": reason, "reason_zh": REASON_ZH.get(reason, reason), "times": times}
            for reason, times in sorted(by_reason.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
        "devices": [
            {
                "device": each.device.name,
                "kind": each.device.kind,
                "place": _device_place(each.device),
                "reason": each.reason,
                "reason_zh": REASON_ZH.get(each.reason, each.reason),
                "times": each.times,
                "simulated": each.device.simulated,
            }
            for each in refused
            if each.device
        ],
    }


def _exclusion(device: RegisteredDevice) -> str:
    return "simulated" if device.simulated else "retired"


def _witnessed(test: WitnessedTestRow) -> Document:
    return {
        "device": test.device,
        "kind": test.kind,
        "place": _device_place(test),
        "event": test.event,
        "event_zh": event_zh(test.kind, test.event),
        "triggered_at": _time(test.triggered_at),
        "by": test.tested_by,
        "how": test.how,
        "recorded_at": _time(test.recorded_at),
        "result": result_of(test).value,
        "arrived_at": _time(test.arrived_at) if test.arrived_at else None,
        "withdrawn_at": _time(test.withdrawn_at) if test.withdrawn_at else None,
        "withdrawn_by": test.withdrawn_by,
        "withdrawn_because": test.withdrawn_because,
        "simulated": test.simulated,
    }


def _device(device: RegisteredDevice) -> Document:
    return {
        "device": device.name,
        "kind": device.kind,
        "place": _device_place(device),
        "gateway": device.gateway,
        "plan_item": device.plan_item,
        "serial": device.serial,
        "earlier_serials": list(device.earlier_serials),
        "installed_on": device.installed_on.isoformat() if device.installed_on else None,
        "simulated": device.simulated,
    }


def _device_place(device: RegisteredDevice | WitnessedTestRow) -> str:
    return compose_place(device.building, device.unit, device.room, device.location)


def _household_place(household: Household) -> str:
    return compose_place(household.building, household.unit, household.room)


def _coverage(matrix: Matrix) -> Document:
    return {
        "media": {medium.value: _medium(matrix, medium) for medium in Medium},
        "households": [
            {
                "building": household.building,
                "unit": household.unit,
                "room": household.room,
                "cells": {medium.value: _cell(cell) for medium, cell in cells.items()},
            }
            for household, cells in matrix.cells.items()
        ],
        "shared_meters": [
            {"medium": each.medium.value, "serial": each.serial, "meters": list(each.meters)} for each in matrix.shared
        ],
        "several_meters": [
            {"place": _household_place(household), "medium": medium.value, "meters": list(meters)}
            for household, medium, meters in matrix.several_meters
        ],
        "unplaced_meters": list(matrix.unplaced),
    }


def _medium(matrix: Matrix, medium: Medium) -> Document:
    """Count households by state; `silent` counts the missing ones that have a meter, but no working one."""
    states = Counter(matrix.states(medium))
    missing = (cells[medium] for cells in matrix.cells.values() if cells[medium].state is CellState.MISSING)
    return {**{state.value: states[state] for state in CellState}, "silent": sum(bool(cell.meters) for cell in missing)}


def _cell(cell: Cell) -> Document:
    return {"state": cell.state.value, "meters": list(cell.meters)}
