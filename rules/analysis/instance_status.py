"""Status of a rule on a device in Chinese sentences: why it raises no alert, and its next step."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from devices.kind import Value
from devices.local_time import local_time_zh
from rules.analysis.describe_condition import Evidence, describe_condition
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
    rule: Rule, state: InstanceState | None, device: DeviceState | None, now: datetime
) -> tuple[str, ...]:
    """Return the phase, the verdict on the last known values, and the next step of the rule.

    Args:
        rule: The rule.
        state: Its instance on the device; None if it never left the phase normal.
        device: The state of the device; None if it never sent anything.
        now: The time of the status.
    """
    phase = state.phase if state else Phase.NORMAL
    since = f"（{local_time_zh(state.since)}起）" if state and state.since and phase is not Phase.NORMAL else ""
    sentences = [f"规则目前：{_PHASE[phase]}{since}。"]
    if device is None or (device.last_ts is None and not device.event_ts):
        return (*sentences, "平台从未收到这台设备的数据，规则没有可判断的内容。")
    sentences += _describe_schedule(rule, now)
    sentences += (
        _describe_absence(rule.when, device, now)
        if isinstance(rule.when, NoData)
        else _describe_values(rule, phase, device, now)
    )
    if state and phase is not Phase.NORMAL:
        sentences += _describe_next_step(rule, state, now)
    return tuple(sentences)


def _describe_schedule(rule: Rule, now: datetime) -> Iterator[str]:
    if rule.schedule is None:
        return
    span = rule.schedule.span(now)
    if span.open:
        yield f"规则只在“{rule.schedule.label}”有效，现在有效，到{local_time_zh(span.end)}为止。"
    else:
        yield f"规则只在“{rule.schedule.label}”有效，现在不在这一时段，到{local_time_zh(span.end)}才重新判断。"


def _describe_absence(no_data: NoData, device: DeviceState, now: datetime) -> Iterator[str]:
    if device.last_arrival is None:
        yield "还没有收到过及时的新数据，不会因为没有数据而报警。"
        return
    due = device.last_arrival + no_data.after
    patience = in_chinese(no_data.after)
    yield f"最后一次收到新数据是在{local_time_zh(device.last_arrival)}，超过 {patience}没有新数据才算没有数据。"
    if now < due:
        yield f"如果一直没有新数据，{local_time_zh(due)}报警；平台自身接收滞后的时间不计在内。"


def _describe_values(rule: Rule, phase: Phase, device: DeviceState, now: datetime) -> Iterator[str]:
    condition, name = (rule.when, "报警条件") if phase in {Phase.NORMAL, Phase.PENDING} else (rule.until, "恢复条件")
    if condition is None:
        condition, name = rule.when, "报警条件"
    if rule.compared_fields and device.last_ts is not None:
        yield f"{name}按最后的数据（{local_time_zh(device.last_ts)}）{_VERDICT[_verdict(condition, device)]}。"
        if now - device.last_ts > rule.allowed_gap:
            yield f"这些数据已经过去 {in_chinese(now - device.last_ts)}，超过允许的间隔，不再用来计时。"
    for leaf in leaves(condition):
        yield _describe_leaf(leaf, rule, device)


def _verdict(condition: Condition, device: DeviceState) -> Verdict:
    """Return the verdict of a condition on the last known values and the derived values."""
    return compile_test(condition)({**device.values, **newest_values(device.derived)})


def _describe_leaf(leaf: Compare | Happens | NoData, rule: Rule, device: DeviceState) -> str:
    match leaf:
        case Happens(events):
            return "；".join(_describe_event(name, rule, device) for name in events) + "。"
        case Compare(derived=None) if leaf.field not in device.values:
            field = RULE_KINDS[rule.kind].field(leaf.field)
            return f"{field.zh if field else leaf.field}：设备从未上报（{leaf.field}），因此无法判断。"
        case Compare(derived=None) if device.last_ts is not None:
            return _describe_comparison(leaf, rule, device.values, device.last_ts)
        case Compare() if device.last_ts is not None and leaf.field in newest_values(device.derived):
            return _describe_comparison(leaf, rule, newest_values(device.derived), device.last_ts)
        case Compare(derived=derived):
            # The window is not covered, the counter is in quarantine, or the baseline is still too short.
            return f"{derived.field.zh if derived else leaf.field}：由多次数据算出，连续的数据还不够，暂时无法判断。"
        case NoData():
            return "设备在按时上报。"


def _describe_comparison(leaf: Compare, rule: Rule, values: Mapping[str, Value], ts: datetime) -> str:
    evidence = Evidence(RULE_KINDS[rule.kind], values, {"ts": ts.isoformat()})
    return f"{describe_condition(leaf, evidence)}。"


def _describe_event(name: str, rule: Rule, device: DeviceState) -> str:
    event, last_time = RULE_KINDS[rule.kind].event(name), device.event_ts.get(name)
    when = f"最近一次在{local_time_zh(last_time)}" if last_time else "从未收到"
    return f"等待设备报告“{event.zh if event else name}”（{when}）"


def _describe_next_step(rule: Rule, state: InstanceState, now: datetime) -> Iterator[str]:
    """Describe the end of a phase other than normal."""
    match state.phase:
        case Phase.PENDING | Phase.RECOVERING if state.deadline is not None:
            outcome = "报警" if state.phase is Phase.PENDING else "报警结束"
            yield f"计时到{local_time_zh(state.deadline)}，届时情况仍然如此就{outcome}。"
            yield from _describe_delay(rule, state, now)
        case Phase.ACTIVE if state.verdict is None:
            yield "最近的数据无法判断，未知不会结束报警。"
        case Phase.LATCHED:
            yield "情况已经过去，要由人工查看后关闭。"
        case Phase.MUTED:
            yield "看到情况消失之后，再次出现才会重新报警。"


def _describe_delay(rule: Rule, state: InstanceState, now: datetime) -> Iterator[str]:
    """Describe why a timer is still running after its deadline."""
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
