"""Stored history as a rule pack wants to see it: only the kinds, fields and events that some rule looks at."""

from collections.abc import Iterator, Sequence

from devices.catalogue import KIND_BY_NAME
from rules.analysis.backtest import Arrival, Span
from rules.model.rule import RulePack
from rules.model.sample import Sample
from rules.model.virtual_kinds import RULE_KINDS
from store.database import Connection
from store.telemetry.history import HistoryQuery, HistoryRow, read_history


def wanted_history(pack: RulePack, span: Span, device_ids: Sequence[int], *, device_time: bool = False) -> HistoryQuery:
    """What of the stored history the rules of a pack look at; its kinds are all that have a rule, for silence too."""
    kinds = sorted({rule.kind for rule in pack.rules} & set(KIND_BY_NAME))
    return HistoryQuery(
        start=span.start,
        end=span.end,
        device_ids=device_ids,
        fields={kind: _fields(pack, kind) for kind in kinds},
        events={kind: sorted({name for rule in pack.of_kind(kind) for name in rule.event_verdicts}) for kind in kinds},
        device_time=device_time,
    )


def stored_arrivals(connection: Connection, query: HistoryQuery) -> Iterator[Arrival]:
    """The stored history in the order of arrival, inside the caller's transaction."""
    return map(_arrival, read_history(connection, query))


def _fields(pack: RulePack, kind: str) -> list[str]:
    read = {name for rule in pack.of_kind(kind) for name in rule.required_fields | rule.placeholders}
    return sorted(name for name in read if RULE_KINDS[kind].field(name))


def _arrival(row: HistoryRow) -> Arrival:
    kind, device_id, ts, received_at, values, event, data = row
    return Arrival(kind, Sample(device_id, ts, received_at, values, event, data))
