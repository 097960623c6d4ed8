"""Refusals in the log of NATS Server: messages and logins of which neither ingest nor the device learns. Pure.

NATS acknowledges a message without permission and drops it; for everything else it closes the connection. MQTT 3.1.1
has no field for a reason in either case (3.4 and 3.14), so that the log is the only place that tells it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class RefusalReason(StrEnum):
    """Reason of a refusal, in words for an operator."""

    TOPIC = "message(s) outside the topics of the account, acknowledged and dropped"
    SIZE = "message(s) over 1 MiB, with the connection closed"
    CHARACTER = "message(s) with a blank in the topic, with the connection closed"
    CLIENT_ID = "login(s) with a blank, a dot or a wildcard in the client id"
    LOGIN = "login(s) with a wrong name or password"
    PROTOCOL = "login(s) with MQTT 5, which NATS does not speak: set 3.1.1"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusals of one client for one reason and topic; `topic` is empty where the log names none."""

    reason: RefusalReason
    client: str
    topic: str
    count: int
    newest: datetime


_LINE = re.compile(
    r"(?P<at>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)\.\d+ \[ERR\] \S+ - mid:\d+ - \"(?P<client>.*?)\" - (?P<error>.*)"
)
_ERRORS = (
    (re.compile(r"Publish Violation - .*Subject \"(?P<subject>[^\"]*)\""), RefusalReason.TOPIC),
    (re.compile(r"maximum payload exceeded"), RefusalReason.SIZE),
    (re.compile(r"character not supported for MQTT topics"), RefusalReason.CHARACTER),
    (re.compile(r"invalid character in client ID"), RefusalReason.CLIENT_ID),
    (re.compile(r"unable to connect: authentication error"), RefusalReason.LOGIN),
    (re.compile(r"unacceptable protocol version"), RefusalReason.PROTOCOL),
)
# NATS writes a topic as a subject: "." for "/", "//" for ".", "/." for a "/" at the start or beside another one, and
# "./" for a "/" at the end.
_SUBJECT_PARTS = re.compile(r"//|/\.|\.|/$")
_TOPIC_PARTS = {"//": ".", "/.": "/", ".": "/", "/": ""}


def refusals(lines: Iterable[str], since: datetime) -> list[Refusal]:
    """Return the refusals of a log since a time, newest first; all other lines are skipped.

    Args:
        lines: The log, with or without prefixes such as those of Docker. Its times are those of this host's zone.
        since: Start, an aware time.
    """
    found: dict[tuple[RefusalReason, str, str], Refusal] = {}
    for line in lines:
        refusal = _parse(line)
        if refusal is None or refusal.newest < since:
            continue
        key = (refusal.reason, refusal.client, refusal.topic)
        before = found.get(key)
        found[key] = replace(refusal, count=before.count + 1) if before else refusal
    return sorted(found.values(), key=lambda refusal: refusal.newest, reverse=True)


def _parse(line: str) -> Refusal | None:
    entry = _LINE.search(line)
    if entry is None:
        return None
    at = datetime.strptime(entry["at"], "%Y/%m/%d %H:%M:%S").astimezone()
    for pattern, reason in _ERRORS:
        if error := pattern.search(entry["error"]):
            return Refusal(reason, entry["client"], _topic(error.groupdict().get("subject") or ""), 1, at)
    return None


def _topic(subject: str) -> str:
    return _SUBJECT_PARTS.sub(lambda part: _TOPIC_PARTS[part[0]], subject)
