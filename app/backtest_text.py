"""Text of a backtest for a terminal."""

from collections.abc import Iterator
from datetime import timedelta

from app.output import say
from app.tables import say_table
from devices.local_time import CITY
from rules.analysis.summary import RuleSummary, Summary
from rules.model.duration import in_chinese
from rules.model.labels_zh import SEVERITY
from rules.model.rule import Severity

_VERDICT = {True: "ok", False: "MISSED", None: "too few"}
_DEVICES = 10


def print_summary(summary: Summary) -> None:
    """Print span, alerts by rule, day and device, and the goals of each community."""
    start, end = (f"{at.astimezone(CITY):%F %H:%M}" for at in (summary.start, summary.end))
    say(f"{start} to {end}, local time: {summary.samples:,} samples of {summary.devices:,} devices")
    if summary.is_loaded:
        say(
            f"{summary.late_samples:,} of them arrived over 25 hours after the time of their device, as loaded history "
            "does, and their alerts gather on the day of the loading: --device-time puts each in its place"
        )
    say(f"{summary.rules} rules would have raised {summary.alerts:,} alerts")
    if summary.alerts:
        _print_rules(summary)
        _print_days(summary)
        _print_devices(summary)
    for each in summary.communities:
        say(f"\n{each.community}, {each.load.alerts:,} alerts, against the goals of ISA-18.2 for one property manager")
        say_table(
            ("goal", "found", "wanted", ""),
            ((goal.name, goal.found, goal.wanted, _VERDICT[goal.met]) for goal in each.goals),
        )


def _print_rules(summary: Summary) -> None:
    columns = {
        "alerts": [each.alerts for each in summary.by_rule],
        "suppressed": [each.suppressed for each in summary.by_rule],
        "devices": [each.devices for each in summary.by_rule],
        "over 24 h": [each.standing for each in summary.by_rule],
        "chattering": [each.chattering for each in summary.by_rule],
    }
    shown = {name: column for name, column in columns.items() if any(column)}
    say("")
    say_table(
        ("rule", "", "title", *shown, "longest"),
        (
            (each.rule, SEVERITY[each.severity], each.title, *(f"{count:,}" for count in counts), _longest_zh(each))
            for each, *counts in zip(summary.by_rule, *shown.values(), strict=True)
        ),
        numbers=tuple(shown),
        whole=("rule",),
    )


def _longest_zh(rule: RuleSummary) -> str:
    return in_chinese(timedelta(seconds=rule.longest_s))


def _print_days(summary: Summary) -> None:
    say("")
    names = [SEVERITY[severity] for severity in reversed(Severity)]
    say_table(
        ("day", "alerts", *names, "most in 10 minutes"),
        (
            (
                f"{each.day:%F}",
                f"{each.alerts:,}",
                *(f"{each.severities.get(severity, 0):,}" for severity in reversed(Severity)),
                f"{each.peak:,}",
            )
            for each in summary.by_day
        ),
        numbers=("alerts", *names, "most in 10 minutes"),
    )


def _print_devices(summary: Summary) -> None:
    say("")
    say_table(("device", "", "alerts", "of the rules"), _device_rows(summary), numbers=("alerts",), whole=("device",))
    left = len(summary.by_device) - _DEVICES
    if left > 0:
        say(f"and {left:,} more devices, with fewer alerts each")


def _device_rows(summary: Summary) -> Iterator[tuple[str, str, str, str]]:
    for each in summary.by_device[:_DEVICES]:
        rules = ", ".join(f"{name} {count}" if count > 1 else name for name, count in each.rules.items())
        yield f"{each.community}/{each.device}", each.subject, f"{each.alerts:,}", rules
