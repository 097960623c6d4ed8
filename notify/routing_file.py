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
from rules.language.yaml_document import (
    Diagnostic,
    Diagnostics,
    Node,
    as_list,
    as_mapping,
    describe,
    nearest,
    read_document,
)
from rules.model.duration import parse_duration
from rules.model.rule import RulesError, Severity

_ESCALATE_AFTER = {Severity.CRITICAL: timedelta(minutes=5), Severity.MAJOR: timedelta(minutes=30)}
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_SIGNED = {ChannelKind.DINGTALK, ChannelKind.FEISHU}


class RoutingFileError(RulesError):
    """The file can't be used; `diagnostics` are all the reasons, in the order of their lines."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics)))
        super().__init__("\n".join(["this file can't be used to route notices:", *map(str, self.diagnostics)]))


def load_routing(path: Path) -> Routing:
    """Read and check the file; an empty one routes no alert.

    Raises:
        RoutingFileError: The file can't be used.
    """
    diagnostics = Diagnostics(path.name)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RoutingFileError([Diagnostic(str(path), 1, f"it can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise RoutingFileError(
            [Diagnostic(path.name, 1, f"not UTF-8 ({error.reason} at byte {error.start})")]
        ) from error
    document = read_document(text, diagnostics)
    routing = Routing() if document is None else _read(document, diagnostics)
    if diagnostics.entries:
        raise RoutingFileError(diagnostics.entries)
    return routing


def _read(document: Node, diagnostics: Diagnostics) -> Routing:
    keys = as_mapping(document, ("contacts", "routes", "fallback", "escalate_after"), diagnostics, "the file") or {}
    contacts = tuple(_contacts(keys, diagnostics))
    names = tuple(dict.fromkeys(word for contact in contacts for word in (contact.name, contact.role) if word))
    return Routing(
        contacts=contacts,
        routes=tuple(_routes(keys, names, diagnostics)),
        fallback=_names(keys.get("fallback"), names, diagnostics, "`fallback`"),
        escalate_after=_escalate_after(keys, diagnostics),
    )


def _contacts(keys: Mapping[str, Node], diagnostics: Diagnostics) -> Iterator[Contact]:
    line_by_name: dict[str, int] = {}
    for node in as_list(keys["contacts"], diagnostics, "`contacts`") if "contacts" in keys else ():
        of = as_mapping(node, ("name", "role", "communities", "channels", "quiet_hours"), diagnostics, "a contact")
        if of is None:
            continue
        name = _word(of.get("name"), diagnostics, node.line, "`name` of a contact")
        if name in line_by_name:
            diagnostics.add(
                node.line, f"there is a contact of this name on line {line_by_name[name]}: choose another name"
            )
        line_by_name[name] = node.line
        quiet = _quiet_hours(of["quiet_hours"], diagnostics) if "quiet_hours" in of else None
        channels = tuple(_channels(name, of, node.line, quiet, diagnostics))
        role = _word(of["role"], diagnostics, node.line, "`role`") if "role" in of else ""
        yield Contact(name, role, _communities(of, diagnostics), channels)


def _channels(
    contact: str, of: Mapping[str, Node], line: int, quiet: QuietHours | None, diagnostics: Diagnostics
) -> Iterator[Channel]:
    if "channels" not in of:
        diagnostics.add(line, "`channels` is missing: say how this contact is reached")
        return
    for kind, node in (as_mapping(of["channels"], tuple(ChannelKind), diagnostics, "`channels`") or {}).items():
        if kind in tuple(ChannelKind):
            yield _channel(contact, ChannelKind(kind), node, quiet, diagnostics)


def _channel(
    contact: str, kind: ChannelKind, node: Node, quiet: QuietHours | None, diagnostics: Diagnostics
) -> Channel:
    url, secret = node, ""
    if isinstance(node.plain, dict):
        keys = as_mapping(node, ("url", "secret") if kind in _SIGNED else ("url",), diagnostics, f"`{kind}`") or {}
        url = keys.get("url", Node(node.line, None))
        secret = _word(keys["secret"], diagnostics, node.line, "`secret`") if "secret" in keys else ""
    text = url.plain if isinstance(url.plain, str) else ""
    if problem := _problem_of(kind, text):
        diagnostics.add(url.line, f"`{kind}`: {problem}")
    return Channel(f"{contact}/{kind}", kind, text, secret, quiet)


def _problem_of(kind: ChannelKind, url: str) -> str | None:
    """Return the reason for refusing an address, or None for a usable one."""
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


def _routes(keys: Mapping[str, Node], names: tuple[str, ...], diagnostics: Diagnostics) -> Iterator[Route]:
    for node in as_list(keys["routes"], diagnostics, "`routes`") if "routes" in keys else ():
        of = as_mapping(node, ("communities", "severity", "to", "escalate"), diagnostics, "a route")
        if of is None:
            continue
        if "to" not in of:
            diagnostics.add(node.line, "`to` is missing: name the contacts or roles to notify")
        levels = as_list(of["escalate"], diagnostics, "`escalate`") if "escalate" in of else ()
        yield Route(
            _communities(of, diagnostics),
            _severity(of.get("severity"), diagnostics),
            _names(of.get("to"), names, diagnostics, "`to`"),
            tuple(_names(level, names, diagnostics, "a level of `escalate`") for level in levels),
        )


def _names(node: Node | None, known: tuple[str, ...], diagnostics: Diagnostics, what: str) -> tuple[str, ...]:
    """Read names of contacts or roles, given as a list or as a single name."""
    if node is None:
        return ()
    nodes = [node] if isinstance(node.plain, str) else as_list(node, diagnostics, what)
    names = []
    for each in nodes:
        name = _word(each, diagnostics, node.line, what)
        if name and name not in known:
            diagnostics.add(each.line, f"no contact has the name or role `{name}`{nearest(name, known)}")
        names.append(name)
    return tuple(names)


def _escalate_after(keys: Mapping[str, Node], diagnostics: Diagnostics) -> dict[Severity, timedelta]:
    if "escalate_after" not in keys:
        return _ESCALATE_AFTER
    items = as_mapping(keys["escalate_after"], tuple(Severity), diagnostics, "`escalate_after`") or {}
    delays = {}
    for name, node in items.items():
        try:
            delays[name] = parse_duration(str(node.plain))
        except ValueError as error:
            diagnostics.add(node.line, str(error))
    return {severity: delays[severity] for severity in Severity if delays.get(severity)}


def _severity(node: Node | None, diagnostics: Diagnostics) -> Severity:
    if node is None:
        return Severity.WARNING
    if node.plain not in tuple(Severity):
        diagnostics.add(node.line, f"`severity` can't be {describe(node)}{nearest(str(node.plain), Severity)}")
        return Severity.WARNING
    return Severity(str(node.plain))


def _communities(of: Mapping[str, Node], diagnostics: Diagnostics) -> frozenset[str]:
    if "communities" not in of:
        return frozenset()
    nodes = as_list(of["communities"], diagnostics, "`communities`")
    return frozenset(_word(node, diagnostics, node.line, "a community") for node in nodes)


def _quiet_hours(node: Node, diagnostics: Diagnostics) -> QuietHours | None:
    match = _HOURS.fullmatch(node.plain) if isinstance(node.plain, str) else None
    begin, end = (time(int(h), int(m)) for h, m in (match.group(1, 2), match.group(3, 4))) if match else (None, None)
    if begin is None or end is None or begin == end:
        diagnostics.add(node.line, "write `quiet_hours` as 22:00-07:00, by the clock of the city")
        return None
    return QuietHours(begin, end)


def _word(node: Node | None, diagnostics: Diagnostics, line: int, what: str) -> str:
    if node is None or not isinstance(node.plain, str) or not node.plain.strip():
        diagnostics.add(node.line if node else line, f"{what} must be a text")
        return ""
    return node.plain.strip()
