"""Routing of alerts to channels, as configured in the routing file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from devices.local_time import CITY
from rules.model.rule import Severity

RANK = {severity: rank for rank, severity in enumerate(Severity)}
"""Order of the severities: the higher, the graver."""


class ChannelKind(StrEnum):
    """Protocol of a channel."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    WEBHOOK = "webhook"
    EMAIL = "email"
    APPRISE = "apprise"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Daily period without non-critical messages, in the time zone of the city; may span midnight."""

    begin: time
    end: time

    def end_of(self, now: datetime) -> datetime | None:
        """Return the end of the quiet hours around `now`, or None outside of them."""
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
    """One way to reach a contact. Its address is secret and never printed."""

    name: str
    kind: ChannelKind
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """Person, team or program that is notified; empty `communities` means all of them."""

    name: str
    role: str
    communities: frozenset[str]
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Recipients of alerts from a severity up: names of contacts or roles, first `to`, then by level of `escalate`."""

    communities: frozenset[str]
    severity: Severity
    to: tuple[str, ...]
    escalate: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """Channels of one escalation level, notified `after` the first notice unless the alert is acknowledged."""

    level: int
    after: timedelta
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Routing:
    """Content of the routing file. Without contacts no notice is sent."""

    contacts: tuple[Contact, ...] = ()
    routes: tuple[Route, ...] = ()
    fallback: tuple[str, ...] = ()
    escalate_after: Mapping[Severity, timedelta] = field(default_factory=dict)

    @property
    def channels(self) -> dict[str, Channel]:
        """All channels by name."""
        return {channel.name: channel for contact in self.contacts for channel in contact.channels}

    def first_channels(self, community: str | None, severity: Severity) -> tuple[Channel, ...]:
        """Return the channels notified first; `community` is None for an alert about Anju itself.

        If the matching routes name only roles without a contact in this community, these are the fallback channels.
        """
        names = [name for route in self._matching(community, severity) for name in route.to]
        return self._channels(names, community) or (self.fallback_channels(community) if names else ())

    def escalations(self, community: str | None, severity: Severity) -> list[Escalation]:
        """Return the escalation levels of an unacknowledged alert, in order."""
        step = self.escalate_after.get(severity)
        routes = self._matching(community, severity)
        if step is None:
            return []
        levels = range(1, max((len(route.escalate) for route in routes), default=0) + 1)
        escalations = []
        for level in levels:
            names = [name for route in routes for name in (route.escalate[level - 1 : level] or [()])[0]]
            escalations.append(Escalation(level, level * step, self._channels(names, community)))
        return escalations

    def fallback_channels(self, community: str | None) -> tuple[Channel, ...]:
        """Return the channels of the fallback contacts, for notices that can't be delivered otherwise."""
        return self._channels(self.fallback, community)

    def _matching(self, community: str | None, severity: Severity) -> list[Route]:
        return [
            route
            for route in self.routes
            if RANK[severity] >= RANK[route.severity] and (not route.communities or community in route.communities)
        ]

    def _channels(self, names: Iterable[str], community: str | None) -> tuple[Channel, ...]:
        chosen_names = frozenset(names)
        channels = {
            channel.name: channel
            for contact in self.contacts
            if contact.name in chosen_names or (contact.role in chosen_names and _serves(contact, community))
            for channel in contact.channels
        }
        return tuple(channels.values())


def _serves(contact: Contact, community: str | None) -> bool:
    return not contact.communities or community in contact.communities
