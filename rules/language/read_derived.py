"""Readers of conditions on derived values: one function a word, listed in `rules.language.read_condition`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from devices.kind import Choice, Counter, DeviceKind, Field, Flag, Gauge
from rules.derived.balance import HOUSEHOLDS, MISSING, Balance, usual_settling
from rules.derived.baseline import BASELINE, DEVIATIONS, Baseline
from rules.derived.compared import HOWS, FieldComparison, WindowComparison
from rules.derived.rate import Rate
from rules.derived.unchanged import Unchanged
from rules.derived.window import AGGREGATES, WindowAggregate
from rules.language.read_value import read_derived_limit, read_span
from rules.language.yaml_document import Diagnostics, Node, as_mapping, describe, nearest
from rules.model.condition import COMPARISONS, Compare, Condition
from rules.model.derived_value import ComparableValue
from rules.model.duration import spell
from rules.model.rule import Scope

_LONGEST = timedelta(days=31)
_MOST_TIMES = 50
_LONGEST_BASELINE_GAP = timedelta(hours=2)


class ConditionContext(NamedTuple):
    """Context of a condition: kind of device, longest allowed gap between samples, scope of the rule."""

    kind: DeviceKind
    gap: timedelta
    scope: Scope


def read_field_name(node: Node, kind: DeviceKind, diagnostics: Diagnostics) -> Field | None:
    """Read the name of a field of the kind; add a diagnostic and return None for an unknown name."""
    field = kind.field(node.plain) if isinstance(node.plain, str) else None
    if field is None and isinstance(node.plain, str) and kind.event(node.plain):
        diagnostics.add(node.line, f"`{node.plain}` is an event, and no field: write {{event: {node.plain}}}")
    elif field is None:
        known = (one.name for one in kind.fields)
        diagnostics.add(node.line, f"{kind.name} has no field `{node.plain}`{nearest(str(node.plain), known)}")
    return field


def read_rate(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    """Read `{rate: energy_kwh, per: 1h, above: 20}`."""
    node, per = keys["rate"], keys.get("per")
    field = read_field_name(node, context.kind, diagnostics)
    if isinstance(field, Flag | Choice):
        diagnostics.add(
            node.line, f"`{field.name}` is no number and has no `rate`: write {{field: {field.name}, stays: 1d}}"
        )
        return None
    if per is None:
        diagnostics.add(node.line, "`rate` needs `per`, the time that the change is told for, such as `per: 1h`")
        return None
    span = read_span(per, diagnostics)
    if field is None or span is None:
        return None
    return read_derived_limit(
        keys, node.line, Rate(field, span, context.kind.reporting_period, context.gap), diagnostics
    )


def read_over(keys: Mapping[str, Node], context: ConditionContext, diagnostics: Diagnostics) -> Condition | None:
    """Read `{over: 24h, minimum: flow_m3_h, above: 0.01}`."""
    node = keys["over"]
    length = read_span(node, diagnostics)
    hows = [how for how in AGGREGATES if how in keys]
    if len(hows) != 1:
        diagnostics.add(node.line, f"`over` needs exactly one of {', '.join(f'`{how}`' for how in AGGREGATES)}")
        return None
    field = _read_aggregated(keys[hows[0]], hows[0], context.kind, diagnostics)
    if length is None or field is None:
        return None
    if _is_out_of_range(length, context.kind, node, diagnostics):
        return None
    window = WindowAggregate(field, hows[0], length, context.kind.reporting_period, context.gap)
    if "compared_with" in keys:
        return _read_compared_windows(keys, window, context.kind, diagnostics)
    return read_derived_limit(keys, node.line, window, diagnostics)


def _read_compared_windows(
    keys: Mapping[str, Node], window: WindowAggregate, kind: DeviceKind, diagnostics: Diagnostics
) -> Compare | None:
    """Read `{over: 3h, increase: passes_recognised, compared_with: passes, ratio: {below: 0.8}}`."""
    node = keys["compared_with"]
    field, how = _read_aggregated(node, window.how, kind, diagnostics), _read_how(keys, diagnostics)
    if field is None or how is None:
        return None
    other = replace(window, of=field)
    if _cannot_be_compared(window.field, other.field, how, node, diagnostics):
        return None
    return _read_inner_limit(keys[how], WindowComparison(window, other, how), diagnostics)


def _is_out_of_range(length: timedelta, kind: DeviceKind, node: Node, diagnostics: Diagnostics) -> bool:
    if kind.reporting_period <= length <= _LONGEST:
        return False
    period, longest = spell(kind.reporting_period), spell(_LONGEST)
    diagnostics.add(node.line, f"a window is from {period} (one reading) to {longest} long, not {spell(length)}")
    return True


def read_stays(
    keys: Mapping[str, Node], field: Field, context: ConditionContext, diagnostics: Diagnostics
) -> Compare | None:
    """Read `{field: valve_state, stays: 3d}`."""
    node = keys["stays"]
    for how in COMPARISONS:
        if how in keys:
            diagnostics.add(keys[how].line, f"`{how}` cannot stand beside `stays`: write both conditions in `all`")
    length = read_span(node, diagnostics)
    if length is None or _is_out_of_range(length, context.kind, node, diagnostics):
        return None
    derived = Unchanged(field, length, context.kind.reporting_period, context.gap)
    return Compare(derived.field.name, "equals", limit=True, derived=derived)


def read_compared(
    keys: Mapping[str, Node], field: Field, context: ConditionContext, diagnostics: Diagnostics
) -> Compare | None:
    """Read `{field: current_a, compared_with: current_limit_a, ratio: {above: 0.9}}`."""
    node = keys["compared_with"]
    if node.plain == HOUSEHOLDS:
        return _read_balance(keys, field, context, diagnostics)
    for key in ("over", "settle", MISSING):
        if key in keys:
            diagnostics.add(keys[key].line, f"`{key}` needs `compared_with: {HOUSEHOLDS}`")
    if node.plain == BASELINE:
        return _read_baseline(keys, field, context, diagnostics)
    if DEVIATIONS in keys:
        diagnostics.add(keys[DEVIATIONS].line, f"`{DEVIATIONS}` needs `compared_with: {BASELINE}`")
    other = read_field_name(node, context.kind, diagnostics)
    how = _read_how(keys, diagnostics)
    if other is None or how is None:
        return None
    for one in (field, other):
        if not isinstance(one, Gauge | Counter):
            diagnostics.add(node.line, f"`{one.name}` is no number, and only numbers are compared: use `equals` alone")
    if not isinstance(field, Gauge | Counter) or not isinstance(other, Gauge | Counter):
        return None
    if _cannot_be_compared(field, other, how, node, diagnostics):
        return None
    return _read_inner_limit(keys[how], FieldComparison(field, other, how), diagnostics)


def _cannot_be_compared(
    field: Gauge | Counter, other: Gauge | Counter, how: str, node: Node, diagnostics: Diagnostics
) -> bool:
    if field.name != other.name and (how != "difference" or field.unit == other.unit):
        return False
    if field.name == other.name:
        reason = "is compared with itself: name another one"
    else:
        reason = (
            f"is in {other.unit}, not in {field.unit}: compare `{field.name}` by `ratio`, or with a field of its unit"
        )
    diagnostics.add(node.line, f"`{other.name}` {reason}")
    return True


def _read_baseline(
    keys: Mapping[str, Node], field: Field, context: ConditionContext, diagnostics: Diagnostics
) -> Compare | None:
    """Read `{field: power_w, compared_with: baseline, deviations: {above: 6}}`."""
    node = keys["compared_with"]
    for key in (*HOWS, *COMPARISONS):
        if key in keys:
            diagnostics.add(
                keys[key].line, f"write `{DEVIATIONS}` instead of `{key}`, such as `{DEVIATIONS}: {{above: 6}}`"
            )
    if not isinstance(field, Gauge):
        diagnostics.add(
            node.line, f"`{field.name}` has no baseline: take a measured number, {_field_names(context.kind, Gauge)}"
        )
        return None
    if DEVIATIONS not in keys:
        diagnostics.add(
            node.line, f"`compared_with: {BASELINE}` needs `{DEVIATIONS}`, such as `{DEVIATIONS}: {{above: 6}}`"
        )
        return None
    if context.gap > _LONGEST_BASELINE_GAP:
        diagnostics.add(
            node.line, f"a baseline goes by the hour: write a `gap` of at most {spell(_LONGEST_BASELINE_GAP)}"
        )
        return None
    derived = Baseline(field, context.kind.reporting_period, context.gap)
    return _read_inner_limit(keys[DEVIATIONS], derived, diagnostics)


def _read_how(keys: Mapping[str, Node], diagnostics: Diagnostics, known: tuple[str, ...] = HOWS) -> str | None:
    hows = [how for how in known if how in keys]
    outside = [word for word in COMPARISONS if word in keys]
    for word in outside:
        example = f"`difference: {{{word}: {_as_example(keys[word])}}}`"
        diagnostics.add(keys[word].line, f"write `{word}` inside `difference` or `ratio`, such as {example}")
    if len(hows) == 1:
        return hows[0]
    if hows or not outside:
        line = keys["compared_with"].line
        diagnostics.add(line, "`compared_with` needs either `difference` or `ratio`, such as `difference: {above: 5}`")
    return None


def _as_example(node: Node) -> str:
    return str(node.plain) if isinstance(node.plain, int | float) else "..."


def _field_names(kind: DeviceKind, sort: type[Gauge | Counter]) -> str:
    return ", ".join(f"`{field.name}`" for field in kind.fields if isinstance(field, sort))


def _read_inner_limit(node: Node, derived: ComparableValue, diagnostics: Diagnostics) -> Compare | None:
    limits = as_mapping(node, COMPARISONS, diagnostics, "a comparison")
    return None if limits is None else read_derived_limit(limits, node.line, derived, diagnostics)


def _read_balance(
    keys: Mapping[str, Node], field: Field, context: ConditionContext, diagnostics: Diagnostics
) -> Compare | None:
    """Read `{field: volume_m3, compared_with: households, over: 24h, settle: 6h, ratio: {above: 1.1}}`."""
    node, over = keys["compared_with"], keys.get("over")
    how = _read_how(keys, diagnostics, (*HOWS, MISSING))
    if not isinstance(field, Counter):
        counters = _field_names(context.kind, Counter)
        diagnostics.add(node.line, f"`{field.name}` is no counter, by which meters are compared: take {counters}")
    if over is None:
        diagnostics.add(node.line, f"`compared_with: {HOUSEHOLDS}` needs `over`, the window, such as `over: 24h`")
        return None
    length = read_span(over, diagnostics)
    settle = read_span(keys["settle"], diagnostics) if "settle" in keys else length and usual_settling(length)
    if length is None or settle is None or how is None or not isinstance(field, Counter):
        return None
    if _is_out_of_range(length, context.kind, over, diagnostics):
        return None
    if settle >= length or context.gap > 2 * length:
        shorter = f"`settle` ({spell(settle)}) must be shorter than `over` ({spell(length)})"
        twice = f"`gap` ({spell(context.gap)}) at most twice as long"
        diagnostics.add(over.line, f"{shorter}, and {twice}: write a longer window, or shorter times")
        return None
    derived = Balance(field, how, length, settle, context.scope, context.kind.reporting_period, context.gap)
    return _read_inner_limit(keys[how], derived, diagnostics)


def read_times(keys: Mapping[str, Node], diagnostics: Diagnostics) -> tuple[int, timedelta] | None:
    """Read count and time span of `{repeats: 3, within: 10m, ...}`; on a mistake add a diagnostic and return None."""
    node, within = keys["repeats"], keys.get("within")
    if ("event" in keys) == ("of" in keys):
        diagnostics.add(
            node.line, "`repeats` needs exactly one of `event` (which events) and `of` (a condition on fields)"
        )
        return None
    if isinstance(node.plain, bool) or not isinstance(node.plain, int) or not 2 <= node.plain <= _MOST_TIMES:
        diagnostics.add(node.line, f"`repeats` is a whole number from 2 to {_MOST_TIMES}, not {describe(node)}")
        return None
    if within is None:
        diagnostics.add(
            node.line, "`repeats` needs `within`, the time in which it happens so often, such as `within: 10m`"
        )
        return None
    span = read_span(within, diagnostics)
    return None if span is None else (node.plain, span)


def _read_aggregated(node: Node, how: str, kind: DeviceKind, diagnostics: Diagnostics) -> Field | None:
    field = read_field_name(node, kind, diagnostics)
    if field is None or how == "count":
        return field
    if how == "increase" and not isinstance(field, Counter):
        diagnostics.add(node.line, f"`{field.name}` is no counter and has no `increase`: use `range`, or a counter")
        return None
    if how != "increase" and isinstance(field, Counter):
        diagnostics.add(
            node.line, f"`{field.name}` is a counter, which only grows: ask for its `increase`, not its `{how}`"
        )
        return None
    if how != "increase" and not isinstance(field, Gauge):
        diagnostics.add(node.line, f"`{field.name}` is no number and has no `{how}`: ask for its `count`")
        return None
    return field
