"""Reader of the conditions stored with a transition, written as in a rule file."""

from collections.abc import Collection, Mapping
from typing import Any

from devices.kind import DeviceKind
from rules.derived.naming import usual_gap, without_gaps
from rules.language.read_condition import read_condition
from rules.language.read_derived import ConditionContext
from rules.language.yaml_document import Diagnostics, Node
from rules.model.condition import Condition, fields_of
from rules.model.rule import Scope


def read_stored_condition(
    limits: Mapping[str, Any], kind: DeviceKind, scope: object, values: Collection[str]
) -> Condition | None:
    """Return the condition, or None if this version cannot read it.

    Args:
        limits: The condition as JSON.
        kind: The kind of the rule.
        scope: The stored scope of the rule. A transition of an older version has none: the scope then follows from
            the names of the stored values, since the name of a balance contains its scope.
        values: The names of the stored values.
    """
    scopes = [Scope(scope)] if isinstance(scope, str) and scope in list(Scope) else list(Scope)
    conditions = (_read(limits, kind, one) for one in scopes)
    return max(
        (condition for condition in conditions if condition),
        key=lambda condition: sum(stored_name(name, values) in values for name in fields_of(condition)),
        default=None,
    )


def stored_name(name: str, values: Collection[str]) -> str:
    """Return the name of a stored value; that of a derived value may contain another gap than the usual one."""
    return next((key for key in values if without_gaps(key) == name), name)


def _read(limits: Mapping[str, Any], kind: DeviceKind, scope: Scope) -> Condition | None:
    diagnostics = Diagnostics("")
    context = ConditionContext(kind, usual_gap(kind.reporting_period), scope)
    condition = read_condition(_as_node(limits), context, diagnostics)
    return None if diagnostics.entries else condition


def _as_node(plain: Any) -> Node:  # noqa: ANN401
    match plain:
        case Mapping():
            return Node(0, {key: _as_node(value) for key, value in plain.items()})
        case list():
            return Node(0, [_as_node(value) for value in plain])
        case _:
            return Node(0, plain)
