"""Maintenance windows and planned power cuts (停电计划): announced and ended by people, with what they do in words.

A planned power cut covers what a cut causes, missing data and lost mains, at a place. No window lets a danger to people
pass in silence, unless it names its rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from accounts.principal import Scope
from handling import maintenance_zh
from handling.signature import Signature
from rules.model.condition import fields_of
from rules.model.rule import Rule, RulePack, Severity
from rules.model.virtual_kinds import DEVICE_GROUP, OUTAGE, POWER_LOST, RULE_KINDS
from store.admin.audit import Change, record_change
from store.alerts.maintenance import (
    LONGEST_MAINTENANCE,
    MaintenanceRow,
    NewMaintenance,
    Purpose,
    claim_maintenance,
    end_maintenance,
    insert_maintenance,
)
from store.database import Connection, StoreError
from store.registry.communities import find_community, has_building
from store.registry.devices import find_device

SETTLING = timedelta(minutes=30)
"""Time after a planned power cut within which devices report again."""

State = Literal["scheduled", "active", "over"]
_OF_A_CUT = frozenset({OUTAGE, POWER_LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOrder:
    """Window that a person announces; `device` is its name in the community, `starts_at` None is now."""

    purpose: Purpose = Purpose.MAINTENANCE
    community: str | None = None
    building: str | None = None
    kind: str | None = None
    rule: str | None = None
    device: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime
    reason: str


class WindowError(StoreError):
    """A window can't be announced; `field` is the part at fault, None for all, and the message is for the person."""

    def __init__(self, field: str | None, code: str, message: str) -> None:
        self.field = field
        self.code = code
        super().__init__(message)


class WindowOverError(StoreError):
    """A window is over; the message is for the person who would end it."""


def check_scope(order: WindowOrder) -> None:
    """Check that a window is about something, and a planned power cut about a place.

    Raises:
        WindowError: It is not.
    """
    of_devices = (order.kind, order.rule, order.device)
    if order.purpose is Purpose.POWER_CUT:
        if not order.community:
            raise WindowError(None, "no_community", maintenance_zh.POWER_CUT_WITHOUT_COMMUNITY)
        if any(of_devices):
            raise WindowError(None, "not_a_place", maintenance_zh.POWER_CUT_IS_FOR_A_PLACE)
    if not any((order.community, order.building, *of_devices)):
        raise WindowError(None, "matches_all", maintenance_zh.MAINTENANCE_WITHOUT_SCOPE)
    if (order.building or order.device) and not order.community:
        raise WindowError(None, "no_community", maintenance_zh.MAINTENANCE_WITHOUT_COMMUNITY)


def check_reach(order: WindowOrder, scope: Scope) -> None:
    """Check that an account of some communities announces no window for all of them.

    Raises:
        WindowError: It does.
    """
    if order.community is None and not scope.is_whole:
        raise WindowError("community", "community_missing", maintenance_zh.WINDOW_NEEDS_COMMUNITY)


def announce(
    connection: Connection,
    order: WindowOrder,
    signature: Signature,
    pack: RulePack,
    *,
    now: datetime,
    key: str | None = None,
) -> UUID:
    """Store a window, in the caller's transaction; return its id.

    Raises:
        WindowError: It ends before it starts, lasts too long, or names what does not exist.
    """
    check_scope(order)
    new = _checked(connection, order, signature.shown, pack, now)
    insert_maintenance(connection, new)
    parts = ("community", "building", "kind", "rule", "device", "reason")
    times = {"starts_at": new.starts_at, "ends_at": new.ends_at}
    after = {name: text for name in parts if (text := getattr(order, name))}
    after |= {name: time.isoformat() for name, time in times.items()} | {"purpose": order.purpose.value}
    _record(connection, "create", new.id, ({}, after), signature, now=now, key=key)
    return new.id


def end_early(
    connection: Connection, window_id: UUID, signature: Signature, *, now: datetime, key: str | None = None
) -> bool:
    """End a window, or cancel one that has not begun, in the caller's transaction; False if it is unknown.

    Raises:
        WindowOverError: It is over.
    """
    row = claim_maintenance(connection, window_id)
    if row is None:
        return False
    if state_of(row, now) == "over":
        raise WindowOverError(maintenance_zh.maintenance_over(row.ended_at or row.ends_at, row.ended_by))
    end_maintenance(connection, window_id, at=now, actor=signature.shown)
    change = {"ended_at": None}, {"ended_at": now.isoformat()}
    _record(connection, "end", window_id, change, signature, now=now, key=key)
    return True


def state_of(row: MaintenanceRow, now: datetime) -> State:
    """Return where a window stands."""
    if (row.ended_at or row.ends_at) <= now:
        return "over"
    return "active" if row.starts_at <= now else "scheduled"


def effect_zh(row: MaintenanceRow | WindowOrder, pack: RulePack) -> str:
    """Return what a window does, in Chinese: what it holds back, and what not. It may be one not yet announced."""
    if row.purpose == Purpose.POWER_CUT:
        covered, critical = rules_of_a_cut(pack), _titles(pack.rules, Severity.CRITICAL)
        return maintenance_zh.covers_power_cut([rule.title for rule in covered], critical)
    if row.rule is None:
        in_scope = pack.of_kind(row.kind) if row.kind else pack.rules
        return maintenance_zh.lets_through(_titles(in_scope, Severity.CRITICAL))
    rule = pack.find(row.rule)
    if rule is None:
        return maintenance_zh.names_no_rule(row.rule)
    named = maintenance_zh.names_critical_rule if rule.severity is Severity.CRITICAL else maintenance_zh.names_rule
    return named(rule.title)


def rules_of_a_cut(pack: RulePack) -> list[Rule]:
    """Return the rules whose alerts a power cut causes: missing data and lost mains, of devices and of groups."""
    return [rule for rule in pack.rules if rule.severity is not Severity.CRITICAL and _is_of_a_cut(rule)]


def _is_of_a_cut(rule: Rule) -> bool:
    if rule.kind == DEVICE_GROUP.name:
        return bool(_OF_A_CUT.intersection(fields_of(rule.when)))
    return rule.no_data is not None or rule.merge_as == POWER_LOST


def _titles(rules: tuple[Rule, ...], severity: Severity) -> list[str]:
    return [rule.title for rule in rules if rule.severity is severity]


def _checked(connection: Connection, order: WindowOrder, actor: str, pack: RulePack, now: datetime) -> NewMaintenance:
    """Return the window of an order, after checking it against the clock and the registry."""
    starts_at = order.starts_at or now
    if order.ends_at <= max(starts_at, now):
        raise WindowError("ends_at", "silence_over", maintenance_zh.MAINTENANCE_END_PAST)
    if order.ends_at - starts_at > LONGEST_MAINTENANCE:
        raise WindowError("ends_at", "silence_too_long", maintenance_zh.MAINTENANCE_TOO_LONG)
    if order.kind and order.kind not in RULE_KINDS:
        raise WindowError("kind", "unknown_kind", maintenance_zh.unknown_kind(order.kind))
    device = None
    if order.community:
        if find_community(connection, order.community) is None:
            raise WindowError("community", "unknown_community", maintenance_zh.unknown_community(order.community))
        if order.building and not has_building(connection, order.community, order.building):
            raise WindowError("building", "unknown_building", maintenance_zh.unknown_building(order.building))
        device = find_device(connection, order.community, order.device) if order.device else None
        if order.device and device is None:
            raise WindowError("device", "unknown_device", maintenance_zh.unknown_device(order.device))
    is_cut = order.purpose is Purpose.POWER_CUT
    return NewMaintenance(
        id=uuid4(), community=order.community, building=order.building, kind=order.kind, rule=order.rule,
        device_id=device.id if device else None, starts_at=starts_at, ends_at=order.ends_at, reason=order.reason,
        actor=actor, created_at=now, purpose=order.purpose,
        rules=sorted(rule.name for rule in rules_of_a_cut(pack)) if is_cut else None,
        settling=SETTLING if is_cut else timedelta(),
    )  # fmt: skip


def _record(
    connection: Connection,
    action: str,
    window_id: UUID,
    change: tuple[Mapping[str, Any], Mapping[str, Any]],
    signature: Signature,
    *,
    now: datetime,
    key: str | None,
) -> None:
    before, after = change
    record_change(
        connection,
        Change(
            at=now, actor=signature.actor, person=signature.person, action=action, subject="silence",
            subject_id=str(window_id), before=before, after=after, request_key=key,
        ),
    )  # fmt: skip
