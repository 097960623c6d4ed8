"""Where a rule stands on a device at one moment, and what it waits for: why it did not fire, in Chinese sentences."""

from collections.abc import Iterator
from datetime import datetime

from devices.local_time import local_time_zh
from rules.analysis.explain import describe_values
from rules.derived.pipeline import newest_values
from rules.engine.device_state import DeviceState
from rules.engine.state_machine import InstanceState
from rules.model.condition import Compare, Condition, Happens, NoData, Verdict, compile_test, leaves
from rules.model.duration import in_chinese
from rules.model.rule import Phase, Rule
from rules.model.virtual_kinds import RULE_KINDS

_VERDICT = {True: "成立", False: "不成立", None: "无法判断"}
_PHASE = {
    Phase.NORMAL: "正常，没有报警",
    Phase.PENDING: "观察中，还没有报警",
    Phase.ACTIVE: "发生中",
    Phase.RECOVERING: "恢复中，报警还没有结束",
    Phase.LATCHED: "待人工确认",
    Phase.MUTED: "已静默：情况仍在，但已被人工关闭",
}


def instance_status(
    rule: Rule, state: InstanceState | None, device_state: DeviceState | None, now: datetime
) -> tuple[str, ...]:
    """The phase first, then what was last known of the condition, then what has still to come.

    Args:
        rule: The rule.
        state: Its instance on the device; None where it is normal and always was.
        device_state: What is remembered of the device; None if it was never heard.
        now: The moment looked at.
    """
    phase = state.phase if state else Phase.NORMAL
    since = f"（{local_time_zh(state.since)}起）" if state and state.since and phase is not Phase.NORMAL else ""
    told = [f"规则目前：{_PHASE[phase]}{since}。"]
    if device_state is None or (device_state.last_ts is None and not device_state.event_ts):
        return (*told, "平台从未收到这台设备的数据，规则没有可判断的内容。")
    told += _schedule(rule, now)
    told += (
        _no_data(rule.when, device_state, now)
        if isinstance(rule.when, NoData)
        else _condition(rule, phase, device_state, now)
    )
    if state and phase is not Phase.NORMAL:
        told += _awaited(rule, state, now)
    return tuple(told)


def _schedule(rule: Rule, now: datetime) -> Iterator[str]:
    if rule.schedule is None:
        return
    span = rule.schedule.span(now)
    if span.open:
        yield f"规则只在“{rule.schedule.label}”有效，现在有效，到{local_time_zh(span.end)}为止。"
    else:
        yield f"规则只在“{rule.schedule.label}”有效，现在不在这一时段，到{local_time_zh(span.end)}才重新判断。"


def _no_data(no_data: NoData, device_state: DeviceState, now: datetime) -> Iterator[str]:
    if device_state.last_arrival is None:
        yield "还没有收到过及时的新数据，不会因为没有数据而报警。"
        return
    due = device_state.last_arrival + no_data.after
    patience = in_chinese(no_data.after)
    yield f"最后一次收到新数据是在{local_time_zh(device_state.last_arrival)}，超过 {patience}没有新数据才算没有数据。"
    if now < due:
        yield f"如果一直没有新数据，{local_time_zh(due)}报警；平台自身接收滞后的时间不计在内。"


def _condition(rule: Rule, phase: Phase, device_state: DeviceState, now: datetime) -> Iterator[str]:
    asked, name = (rule.when, "报警条件") if phase in {Phase.NORMAL, Phase.PENDING} else (rule.until, "恢复条件")
    if asked is None:
        asked, name = rule.when, "报警条件"
    if rule.compared_fields and device_state.last_ts is not None:
        yield f"{name}按最后的数据（{local_time_zh(device_state.last_ts)}）{_VERDICT[_verdict(asked, device_state)]}。"
        if now - device_state.last_ts > rule.allowed_gap:
            yield f"这些数据已经过去 {in_chinese(now - device_state.last_ts)}，超过允许的间隔，不再用来计时。"
    for leaf in leaves(asked):
        yield _leaf(leaf, rule, device_state)


def _verdict(condition: Condition, device_state: DeviceState) -> Verdict:
    """What the remembered values say, those among them that are made of many samples."""
    return compile_test(condition)({**device_state.values, **newest_values(device_state.derived)})


def _leaf(leaf: Compare | Happens | NoData, rule: Rule, device_state: DeviceState) -> str:
    match leaf:
        case Happens(events):
            return "；".join(_event(name, rule, device_state) for name in events) + "。"
        case Compare(derived=None) if leaf.field not in device_state.values:
            field = RULE_KINDS[rule.kind].field(leaf.field)
            return f"{field.zh if field else leaf.field}：设备从未上报（{leaf.field}），因此无法判断。"
        case Compare(derived=None) if device_state.last_ts is not None:
            return describe_values(leaf, RULE_KINDS[rule.kind], device_state.values, device_state.last_ts) + "。"
        case Compare(derived=derived) if device_state.last_ts is not None and leaf.field in newest_values(
            device_state.derived
        ):
            return (
                describe_values(leaf, RULE_KINDS[rule.kind], newest_values(device_state.derived), device_state.last_ts)
                + "。"
            )
        case Compare(derived=derived):
            # A window that is not covered, a counter in quarantine, a baseline that is still too short.
            return f"{derived.field.zh if derived else leaf.field}：由多次数据算出，连续的数据还不够，暂时无法判断。"
        case NoData():
            return "设备在按时上报。"


def _event(name: str, rule: Rule, device_state: DeviceState) -> str:
    event, seen = RULE_KINDS[rule.kind].event(name), device_state.event_ts.get(name)
    when = f"最近一次在{local_time_zh(seen)}" if seen else "从未收到"
    return f"等待设备报告“{event.zh if event else name}”（{when}）"


def _awaited(rule: Rule, state: InstanceState, now: datetime) -> Iterator[str]:
    """What a phase that is not normal waits for."""
    match state.phase:
        case Phase.PENDING | Phase.RECOVERING if state.deadline is not None:
            what = "报警" if state.phase is Phase.PENDING else "报警结束"
            yield f"计时到{local_time_zh(state.deadline)}，届时情况仍然如此就{what}。"
            yield from _held_up(rule, state, now)
        case Phase.ACTIVE if state.verdict is None:
            yield "最近的数据无法判断，未知不会结束报警。"
        case Phase.LATCHED:
            yield "情况已经过去，要由人工查看后关闭。"
        case Phase.MUTED:
            yield "看到情况消失之后，再次出现才会重新报警。"


def _held_up(rule: Rule, state: InstanceState, now: datetime) -> Iterator[str]:
    """Why a timer that should have run out has not."""
    if state.deadline is None or now < state.deadline:
        return
    if state.verdict is None:
        yield "时间已到，但最近的数据无法判断，不能据此报警或结束。"
    gap = rule.max_gap_pending if state.phase is Phase.PENDING else rule.max_gap_recovering
    if gap is None or state.last_ts is None:
        return
    if state.deadline - state.last_ts > gap:
        missing = in_chinese(state.deadline - state.last_ts)
        yield f"时间已到，但此前有 {missing}没有数据（最多允许 {in_chinese(gap)}），数据中断不能凑够持续时间。"
    elif state.verdict is not None:
        yield "时间已到，但当时平台没有在接收数据，不凭中断以前的数据下结论：要等设备再次上报。"
