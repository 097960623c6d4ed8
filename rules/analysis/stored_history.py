"""Stored history for a rule pack, limited to the kinds, fields and events of its rules."""

from collections.abc import Iterator, Sequence

from devices.catalogue import KIND_BY_NAME
from rules.analysis.backtest import Arrival, Span
from rules.model.rule import RulePack
from rules.model.sample import Sample
from rules.model.virtual_kinds import RULE_KINDS
from store.database import Connection
from store.telemetry.history import HistoryQuery, HistoryRow, read_history


def wanted_history(pack: RulePack, span: Span, device_ids: Sequence[int], *, device_time: bool = False) -> HistoryQuery:
    """Return the part of the stored history that a rule pack needs.

    All readings of a kind with a rule belong to it, since each proves that the device is reporting.
    """
    kinds = sorted({rule.kind for rule in pack.rules} & set(KIND_BY_NAME))
    return HistoryQuery(
        start=span.start,
        end=span.end,
        device_ids=device_ids,
        fields={kind: needed_fields(pack, kind) for kind in kinds},
        events={kind: needed_events(pack, kind) for kind in kinds},
        device_time=device_time,
    )


def stored_arrivals(connection: Connection, query: HistoryQuery) -> Iterator[Arrival]:
    """Yield the stored history in the order of arrival, within the caller's transaction."""
    return map(_arrival, read_history(connection, query))


def needed_events(pack: RulePack, kind: str) -> list[str]:
    """Return the events of a kind that its rules need."""
    return sorted({name for rule in pack.of_kind(kind) for name in rule.event_verdicts})


def needed_fields(pack: RulePack, kind: str) -> list[str]:
    """Return the fields of a kind that its rules compare or quote."""
    names = {name for rule in pack.of_kind(kind) for name in rule.required_fields | rule.placeholders}
    return sorted(name for name in names if RULE_KINDS[kind].field(name))


def _arrival(row: HistoryRow) -> Arrival:
    kind, device_id, ts, received_at, values, event, data = row
    return Arrival(kind, Sample(device_id, ts, received_at, values, event, data))
