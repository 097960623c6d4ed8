"""Who is told of which alert, as the operator's file says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from rules.model.rule import Severity

CITY = ZoneInfo("Asia/Shanghai")
RANK = {severity: rank for rank, severity in enumerate(Severity)}
"""The severities in order: the higher, the graver."""


class ChannelKind(StrEnum):
    """How a channel is spoken to."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    WEBHOOK = "webhook"
    EMAIL = "email"
    APPRISE = "apprise"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From when to when a person is left in peace, by the clock of the city; may span midnight."""

    begin: time
    end: time

    def end_of(self, now: datetime) -> datetime | None:
        """When the quiet hours that `now` lies in are over; None outside of them."""
        local = now.astimezone(CITY)
        clock = local.time()
        spans_midnight = self.end <= self.begin
        inside = (clock >= self.begin or clock < self.end) if spans_midnight else self.begin <= clock < self.end
        if not inside:
            return None
        day = local.date() + timedelta(days=1) if spans_midnight and clock >= self.begin else local.date()
        return datetime.combine(day, self.end, tzinfo=CITY)


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to reach a contact. Where it leads to is secret, and never printed."""

    name: str
    kind: ChannelKind
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, a team or a program that is told; `communities` is empty where it is responsible for all."""

    name: str
    role: str
    communities: frozenset[str]
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Whom alerts from a severity on lead to: names of contacts or roles, and those of each level of escalation."""

    communities: frozenset[str]
    severity: Severity
    to: tuple[str, ...]
    escalate: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """The channels of a level, and how long after the first notice they are told if nobody has acknowledged."""

    level: int
    after: timedelta
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Routing:
    """The whole file. Without contacts nobody is told of anything."""

    contacts: tuple[Contact, ...] = ()
    routes: tuple[Route, ...] = ()
    fallback: tuple[str, ...] = ()
    escalate_after: Mapping[Severity, timedelta] = field(default_factory=dict)

    @property
    def channels(self) -> dict[str, Channel]:
        """Every channel by its name."""
        return {channel.name: channel for contact in self.contacts for channel in contact.channels}

    def first_channels(self, community: str | None, severity: Severity) -> tuple[Channel, ...]:
        """The channels that are told of an alert first; `community` is None for one about Anju itself.

        Where routes lead to roles that nobody has there, they are those of the fallback.
        """
        named = [name for route in self._matching(community, severity) for name in route.to]
        return self._channels(named, community) or (self.fallback_channels(community) if named else ())

    def escalations(self, community: str | None, severity: Severity) -> list[Escalation]:
        """Who is told next, level by level, while nobody acknowledges."""
        step = self.escalate_after.get(severity)
        routes = self._matching(community, severity)
        if step is None:
            return []
        levels = range(1, max((len(route.escalate) for route in routes), default=0) + 1)
        found = []
        for level in levels:
            named = [name for route in routes for name in (route.escalate[level - 1 : level] or [()])[0]]
            found.append(Escalation(level, level * step, self._channels(named, community)))
        return found

    def fallback_channels(self, community: str | None) -> tuple[Channel, ...]:
        """The channels of the fallback contacts, for what can't be told otherwise."""
        return self._channels(self.fallback, community)

    def _matching(self, community: str | None, severity: Severity) -> list[Route]:
        return [
            route
            for route in self.routes
            if RANK[severity] >= RANK[route.severity] and (not route.communities or community in route.communities)
        ]

    def _channels(self, named: Iterable[str], community: str | None) -> tuple[Channel, ...]:
        wanted = frozenset(named)
        found = {
            channel.name: channel
            for contact in self.contacts
            if contact.name in wanted or (contact.role in wanted and _serves(contact, community))
            for channel in contact.channels
        }
        return tuple(found.values())


def _serves(contact: Contact, community: str | None) -> bool:
    return not contact.communities or community in contact.communities
