"""Readings around an alert: those of the value that its rule judged, with its limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from devices.catalogue import KIND_BY_NAME
from devices.kind import Counter, DeviceKind, Gauge
from rules.analysis.stored_condition import read_stored_condition
from rules.model.condition import Compare, leaves
from rules.model.rule import Phase
from store.alerts.alerts import AlertRow
from store.alerts.transitions import StoredTransition
from store.database import Connection
from store.telemetry.read import read_points

_BEFORE, _AFTER = timedelta(hours=12), timedelta(hours=3)
_MOST = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Readings of a field.

    Attributes:
        zh: name of the field in Chinese.
        unit: its unit.
        start: begin of the time shown.
        end: end of the time shown.
        points: times and values, oldest first.
        limits: limits of the rule in the unit of the field.
        mark: time to mark, such as the beginning of an alert.
    """

    zh: str
    unit: str
    start: datetime
    end: datetime
    points: tuple[tuple[datetime, float], ...]
    limits: tuple[float, ...] = ()
    mark: datetime | None = None


def alert_curve(
    connection: Connection, alert: AlertRow, steps: Sequence[StoredTransition], now: datetime
) -> Curve | None:
    """Return the curve around an alert, where the rule names no field of the first that has readings; or None."""
    kind = KIND_BY_NAME.get(alert.kind)
    if kind is None or alert.device_id is None:
        return None
    raised = next((step for step in steps if step.axis == "process" and step.to_state == Phase.ACTIVE), None)
    judged, limits = _judged(kind, raised) if raised else (None, ())
    start, end = alert.opened_at - _BEFORE, min(now, max(alert.opened_at, alert.ended_at or alert.opened_at) + _AFTER)
    for field in [judged] if judged else [each for each in kind.fields if isinstance(each, Gauge | Counter)]:
        if points := read_field(connection, kind.name, alert.device_id, field, start=start, end=end):
            return Curve(
                zh=field.zh, unit=field.unit, start=start, end=end, points=points, limits=limits,
                mark=alert.opened_at,
            )  # fmt: skip
    return None


def read_field(
    connection: Connection, kind: str, device_id: int, field: Gauge | Counter, *, start: datetime, end: datetime
) -> tuple[tuple[datetime, float], ...]:
    """Return the newest readings of a field in [start, end), oldest first, as many as a curve can show."""
    found = read_points(connection, kind, device_id, [field.name], start=start, end=end, before=None, limit=_MOST)
    numbers = ((point.ts, point.values[field.name]) for point in reversed(found))
    return tuple((ts, float(value)) for ts, value in numbers if isinstance(value, int | float))


def _judged(kind: DeviceKind, raised: StoredTransition) -> tuple[Gauge | Counter | None, tuple[float, ...]]:
    """Return the field that the rule compared, and its limits; a derived value has no curve of its own."""
    stored, values = raised.inputs.get("limits"), raised.inputs.get("values")
    when = stored.get("when") if isinstance(stored, dict) else None
    if not isinstance(when, dict):
        return None, ()
    condition = read_stored_condition(
        when, kind, raised.inputs.get("scope"), values if isinstance(values, dict) else ()
    )
    for leaf in leaves(condition) if condition else ():
        if isinstance(leaf, Compare):
            field = kind.field(leaf.field)
            if isinstance(field, Gauge | Counter):
                both = leaf.limit if isinstance(leaf.limit, tuple) else (leaf.limit,)
                return field, tuple(float(limit) for limit in both if isinstance(limit, int | float))
            for name in leaf.derived.reads if leaf.derived else ():
                if isinstance(source := kind.field(name), Gauge | Counter):
                    return source, ()
    return None, ()
