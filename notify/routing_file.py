"""Reader of the routing file, which reports all mistakes at once.

docs/notifications.md describes the file. A diagnostic names the line and never quotes an address, which is secret.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import time, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from notify.apprise_channel import count_receivers
from notify.routing import Channel, ChannelKind, Contact, QuietHours, Route, Routing
from rules.language.yaml_document import Item, Notes, Problem, as_list, as_mapping, describe, nearest, read_document
from rules.model.duration import parse_duration
from rules.model.rule import RulesError, Severity

_ESCALATE_AFTER = {Severity.CRITICAL: timedelta(minutes=5), Severity.MAJOR: timedelta(minutes=30)}
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_SIGNED = {ChannelKind.DINGTALK, ChannelKind.FEISHU}


class RoutingFileError(RulesError):
    """The file can't be used; `problems` are all the reasons, in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(["nobody can be told by this file:", *map(str, self.problems)]))


def load_routing(path: Path) -> Routing:
    """Read and check the file; an empty one tells nobody.

    Raises:
        RoutingFileError: it can't be used as it stands.
    """
    notes = Notes(path.name)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RoutingFileError([Problem(str(path), 1, f"it can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise RoutingFileError([Problem(path.name, 1, f"not UTF-8 ({error.reason} at byte {error.start})")]) from error
    document = read_document(text, notes)
    routing = Routing() if document is None else _read(document, notes)
    if notes.problems:
        raise RoutingFileError(notes.problems)
    return routing


def _read(document: Item, notes: Notes) -> Routing:
    keys = as_mapping(document, ("contacts", "routes", "fallback", "escalate_after"), notes, "the file") or {}
    contacts = tuple(_contacts(keys, notes))
    names = tuple(dict.fromkeys(word for contact in contacts for word in (contact.name, contact.role) if word))
    return Routing(
        contacts=contacts,
        routes=tuple(_routes(keys, names, notes)),
        fallback=_names(keys.get("fallback"), names, notes, "`fallback`"),
        escalate_after=_escalate_after(keys, notes),
    )


def _contacts(keys: Mapping[str, Item], notes: Notes) -> Iterator[Contact]:
    taken: dict[str, int] = {}
    for item in as_list(keys["contacts"], notes, "`contacts`") if "contacts" in keys else ():
        of = as_mapping(item, ("name", "role", "communities", "channels", "quiet_hours"), notes, "a contact")
        if of is None:
            continue
        name = _word(of.get("name"), notes, item.line, "`name` of a contact")
        if name in taken:
            notes.add(item.line, f"there is a contact of this name on line {taken[name]}: choose another name")
        taken[name] = item.line
        quiet = _quiet_hours(of["quiet_hours"], notes) if "quiet_hours" in of else None
        channels = tuple(_channels(name, of, item.line, quiet, notes))
        role = _word(of["role"], notes, item.line, "`role`") if "role" in of else ""
        yield Contact(name, role, _communities(of, notes), channels)


def _channels(
    contact: str, of: Mapping[str, Item], line: int, quiet: QuietHours | None, notes: Notes
) -> Iterator[Channel]:
    if "channels" not in of:
        notes.add(line, "`channels` is missing: say how this contact is reached")
        return
    for kind, item in (as_mapping(of["channels"], tuple(ChannelKind), notes, "`channels`") or {}).items():
        if kind in tuple(ChannelKind):
            yield _channel(contact, ChannelKind(kind), item, quiet, notes)


def _channel(contact: str, kind: ChannelKind, item: Item, quiet: QuietHours | None, notes: Notes) -> Channel:
    url, secret = item, ""
    if isinstance(item.plain, dict):
        keys = as_mapping(item, ("url", "secret") if kind in _SIGNED else ("url",), notes, f"`{kind}`") or {}
        url = keys.get("url", Item(item.line, None))
        secret = _word(keys["secret"], notes, item.line, "`secret`") if "secret" in keys else ""
    text = url.plain if isinstance(url.plain, str) else ""
    if problem := _problem_of(kind, text):
        notes.add(url.line, f"`{kind}`: {problem}")
    return Channel(f"{contact}/{kind}", kind, text, secret, quiet)


def _problem_of(kind: ChannelKind, url: str) -> str | None:
    if kind in {ChannelKind.EMAIL, ChannelKind.APPRISE}:
        if kind is ChannelKind.EMAIL and not url.startswith(("mailto://", "mailtos://")):
            return "write it as mailtos://user:password@smtp.example.com?to=name@example.com"
        match count_receivers(url):
            case 0:
                return "apprise does not understand this address"
            case 1:
                return None
            case _:
                # After a failure of one of them, a retry would notify all of them again.
                return "the address names several receivers: make each a contact of its own"
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    return None if good else "write the whole address of the robot or receiver, beginning with https://"


def _routes(keys: Mapping[str, Item], names: tuple[str, ...], notes: Notes) -> Iterator[Route]:
    for item in as_list(keys["routes"], notes, "`routes`") if "routes" in keys else ():
        of = as_mapping(item, ("communities", "severity", "to", "escalate"), notes, "a route")
        if of is None:
            continue
        if "to" not in of:
            notes.add(item.line, "`to` is missing: name the contacts or roles that are told")
        levels = as_list(of["escalate"], notes, "`escalate`") if "escalate" in of else ()
        yield Route(
            _communities(of, notes),
            _severity(of.get("severity"), notes),
            _names(of.get("to"), names, notes, "`to`"),
            tuple(_names(level, names, notes, "a level of `escalate`") for level in levels),
        )


def _names(item: Item | None, known: tuple[str, ...], notes: Notes, what: str) -> tuple[str, ...]:
    """Read names of contacts or roles, given as a list or as a single name."""
    if item is None:
        return ()
    listed = [item] if isinstance(item.plain, str) else as_list(item, notes, what)
    found = []
    for each in listed:
        name = _word(each, notes, item.line, what)
        if name and name not in known:
            notes.add(each.line, f"no contact has the name or role `{name}`{nearest(name, known)}")
        found.append(name)
    return tuple(found)


def _escalate_after(keys: Mapping[str, Item], notes: Notes) -> dict[Severity, timedelta]:
    if "escalate_after" not in keys:
        return _ESCALATE_AFTER
    given = as_mapping(keys["escalate_after"], tuple(Severity), notes, "`escalate_after`") or {}
    found = {}
    for name, item in given.items():
        try:
            found[name] = parse_duration(str(item.plain))
        except ValueError as error:
            notes.add(item.line, str(error))
    return {severity: found[severity] for severity in Severity if found.get(severity)}


def _severity(item: Item | None, notes: Notes) -> Severity:
    if item is None:
        return Severity.WARNING
    if item.plain not in tuple(Severity):
        notes.add(item.line, f"`severity` can't be {describe(item)}{nearest(str(item.plain), Severity)}")
        return Severity.WARNING
    return Severity(str(item.plain))


def _communities(of: Mapping[str, Item], notes: Notes) -> frozenset[str]:
    if "communities" not in of:
        return frozenset()
    listed = as_list(of["communities"], notes, "`communities`")
    return frozenset(_word(item, notes, item.line, "a community") for item in listed)


def _quiet_hours(item: Item, notes: Notes) -> QuietHours | None:
    match = _HOURS.fullmatch(item.plain) if isinstance(item.plain, str) else None
    begin, end = (time(int(h), int(m)) for h, m in (match.group(1, 2), match.group(3, 4))) if match else (None, None)
    if begin is None or end is None or begin == end:
        notes.add(item.line, "write `quiet_hours` as 22:00-07:00, by the clock of the city")
        return None
    return QuietHours(begin, end)


def _word(item: Item | None, notes: Notes, line: int, what: str) -> str:
    if item is None or not isinstance(item.plain, str) or not item.plain.strip():
        notes.add(item.line if item else line, f"{what} must be a text")
        return ""
    return item.plain.strip()
