"""Reads YAML into plain values that remember their lines, and collects what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

import yaml


class Problem(NamedTuple):
    """One thing that is wrong with a rule file, and what to write instead."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Item:
    """A value and the line it stands on; `plain` is a scalar, a list of items, or items by key."""

    line: int
    plain: object


@dataclass(slots=True)
class Notes:
    """The problems found so far in one file."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Notes one problem; reading goes on, so that all of them are reported together."""
        self.problems.append(Problem(self.file, line, message))


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a rule that is written out can be read on its own, and no document refers to itself."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                problem="aliases (`*name`) are not read: write out what it stands for", problem_mark=mark
            )
        return super().compose_node(parent, index)  # type: ignore[arg-type]


def read_document(text: str, notes: Notes) -> Item | None:
    """Reads the one document of a file; None after noting why that is impossible, or if it is empty."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _item(loader, node, notes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        notes.add(mark.line + 1 if mark else 1, f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        notes.add(1, f"not valid YAML: {' '.join(str(error).split())}")
    except RecursionError:
        notes.add(1, "nested too deeply to be read: write it with fewer levels")
    return None


def _item(loader: yaml.SafeLoader, node: yaml.Node, notes: Notes, line: int | None = None) -> Item:
    line = line or node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Item(line, [_item(loader, child, notes) for child in node.value])
    if isinstance(node, yaml.MappingNode):
        return Item(line, _mapping(loader, node, notes))
    try:
        plain = loader.construct_object(node)
        # YAML 1.1 takes 22:00 for 22 times 60; nobody who writes it does.
        return Item(line, node.value if isinstance(plain, int | float) and ":" in node.value else plain)
    except ValueError as error:
        notes.add(line, f"{node.value!r} cannot be read ({error}): put it in quotes or correct it")
        return Item(line, None)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, notes: Notes) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in items:
            notes.add(line, f"`{key}` is written twice (first on line {items[key].line}): keep one")
        else:
            items[key] = _item(loader, value_node, notes, line)
    return items


def as_mapping(item: Item, keys: Iterable[str], notes: Notes, what: str) -> Mapping[str, Item] | None:
    """The items by key, with every key outside `keys` noted; None after noting that it is no mapping."""
    if not isinstance(item.plain, dict):
        notes.add(item.line, f"{what} must be a mapping (`key: value`), not {describe(item)}")
        return None
    known = tuple(keys)
    for key, value in item.plain.items():
        if key not in known:
            notes.add(value.line, f"unknown key `{key}` in {what}{nearest(key, known)}")
    return item.plain


def as_list(item: Item, notes: Notes, what: str) -> Iterator[Item]:
    """The items of a list that has at least one; none after noting that it is something else."""
    if isinstance(item.plain, list) and item.plain:
        yield from item.plain
    else:
        notes.add(item.line, f"{what} must be a list (`- ...`) of at least one, not {describe(item)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    known = tuple(known)
    close = get_close_matches(word, known, n=1)
    if close:
        return f": did you mean `{close[0]}`?"
    return f": it can be {', '.join(f'`{name}`' for name in known)}" if known else ": there is none"


def quoted(item: Item) -> str:
    """A value that is none of those it can be, as a problem names it."""
    return f"`{item.plain}`" if isinstance(item.plain, str) and item.plain else describe(item)


def describe(item: Item) -> str:
    """What a value is, as a problem names it."""
    match item.plain:
        case None:
            return "nothing"
        case bool() as flag:
            return str(flag).lower()
        case list() as parts:
            return "a list" if parts else "an empty list"
        case dict():
            return "a mapping"
        case str() as text:
            return f"the text {text!r}" if text else "an empty text"
        case plain:
            return str(plain)
