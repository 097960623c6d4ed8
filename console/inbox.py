"""Inbox: its tabs, the alerts behind each, and the filters in the address."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from accounts.principal import Principal
from rules.model.attention import Attention
from rules.model.rule import OPEN_PHASES, Severity
from store.alerts.alerts import AlertFilter, AlertKey, AlertOrder

PAGE_SIZE = 50

_OPEN = sorted(phase.value for phase in OPEN_PHASES)
_IN_HAND = [Attention.ACKNOWLEDGED, Attention.ASSIGNED, Attention.IN_PROGRESS]


class Tab(StrEnum):
    """Tab of the inbox."""

    WAITING = "waiting"
    MINE = "mine"
    WORKING = "working"
    SUPPRESSED = "suppressed"
    ENDED = "ended"


TAB_ZH = {
    Tab.WAITING: "待处理",
    Tab.MINE: "我的",
    Tab.WORKING: "处理中",
    Tab.SUPPRESSED: "已搁置",
    Tab.ENDED: "已结束",
}
EMPTY_ZH = {
    Tab.WAITING: "没有待处理的报警。新报警会自动出现在这里。",
    Tab.MINE: "没有派给您的报警。",
    Tab.WORKING: "没有正在处理的报警。",
    Tab.SUPPRESSED: "没有搁置的报警，也没有因维护等原因暂不通知的报警。",
    Tab.ENDED: "还没有已结束的报警。",
}


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """Tab and filters, as they stand in the address."""

    tab: Tab = Tab.WAITING
    severity: Severity | None = None
    community: str | None = None
    kind: str | None = None
    text: str | None = None

    def conditions(self, principal: Principal) -> AlertFilter:
        """Return the conditions on the alerts of the tab."""
        conditions = AlertFilter(
            severity=[self.severity] if self.severity else None, community=self.community, kind=self.kind,
            words=(self.text or "").split(),
        )  # fmt: skip
        match self.tab:
            case Tab.WAITING:
                return replace(conditions, process=_OPEN, attention=[Attention.UNACKNOWLEDGED], suppressed=False)
            case Tab.MINE:
                own = [Attention.ASSIGNED, Attention.IN_PROGRESS]
                return replace(conditions, attention=own, assignee=names_of(principal))
            case Tab.WORKING:
                return replace(conditions, process=_OPEN, attention=_IN_HAND)
            case Tab.SUPPRESSED:
                return replace(conditions, process=_OPEN, suppressed=True)
            case Tab.ENDED:
                return replace(conditions, process=["ended"])

    @property
    def order(self) -> AlertOrder:
        """The gravest first where somebody has to act, else the newest."""
        return AlertOrder.NEWEST if self.tab is Tab.ENDED else AlertOrder.SEVERITY

    def address(self, **changes: object) -> str:
        """Return the address of the inbox with other filters; None leaves one out."""
        changed = replace(self, **changes)  # type: ignore[arg-type]
        parts = {
            "tab": None if changed.tab is Tab.WAITING else changed.tab.value,
            "severity": changed.severity and changed.severity.value,
            "community": changed.community,
            "kind": changed.kind,
            "text": changed.text,
        }
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/?{query}" if query else "/"


def names_of(principal: Principal) -> list[str]:
    """Return the names under which alerts are assigned to an account."""
    return [principal.display_name, principal.name]


def write_key(key: AlertKey) -> str:
    """Return the place in a list as it stands in an address."""
    return f"{key.severity}~{key.opened_at.isoformat()}~{key.id}"


def read_key(text: str | None) -> AlertKey | None:
    """Return the place in a list of an address; None without one, or where it is damaged: the list begins anew."""
    severity, _, rest = (text or "").partition("~")
    opened_at, _, alert_id = rest.partition("~")
    try:
        return AlertKey(Severity(severity), datetime.fromisoformat(opened_at), UUID(alert_id))
    except ValueError:
        return None
