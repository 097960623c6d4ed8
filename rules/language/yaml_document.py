"""Reads YAML into plain values that remember their lines, and collects what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

import yaml


class Diagnostic(NamedTuple):
    """One thing that is wrong with a rule file, and what to write instead."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line it stands on; `plain` is a scalar, a list of nodes, or nodes by key."""

    line: int
    plain: object


@dataclass(slots=True)
class Diagnostics:
    """The problems found so far in one file."""

    file: str
    entries: list[Diagnostic] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Notes one problem; reading goes on, so that all of them are reported together."""
        self.entries.append(Diagnostic(self.file, line, message))


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a rule that is written out can be read on its own, and no document refers to itself."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                problem="aliases (`*name`) are not read: write out what it stands for", problem_mark=mark
            )
        return super().compose_node(parent, index)  # type: ignore[arg-type]


def read_document(text: str, diagnostics: Diagnostics) -> Node | None:
    """Reads the one document of a file; None after noting why that is impossible, or if it is empty."""
    try:
        loader = _Loader(text)
        yaml_node = loader.get_single_node()
        return None if yaml_node is None else _read_node(loader, yaml_node, diagnostics)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        diagnostics.add(mark.line + 1 if mark else 1, f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        diagnostics.add(1, f"not valid YAML: {' '.join(str(error).split())}")
    except RecursionError:
        diagnostics.add(1, "nested too deeply to be read: write it with fewer levels")
    return None


def _read_node(
    loader: yaml.SafeLoader, yaml_node: yaml.Node, diagnostics: Diagnostics, line: int | None = None
) -> Node:
    line = line or yaml_node.start_mark.line + 1
    if isinstance(yaml_node, yaml.SequenceNode):
        return Node(line, [_read_node(loader, child, diagnostics) for child in yaml_node.value])
    if isinstance(yaml_node, yaml.MappingNode):
        return Node(line, _read_mapping(loader, yaml_node, diagnostics))
    try:
        plain = loader.construct_object(yaml_node)
        # YAML 1.1 takes 22:00 for 22 times 60; nobody who writes it does.
        return Node(line, yaml_node.value if isinstance(plain, int | float) and ":" in yaml_node.value else plain)
    except ValueError as error:
        diagnostics.add(line, f"{yaml_node.value!r} cannot be read ({error}): put it in quotes or correct it")
        return Node(line, None)


def _read_mapping(loader: yaml.SafeLoader, yaml_node: yaml.MappingNode, diagnostics: Diagnostics) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for yaml_key, yaml_value in yaml_node.value:
        key, line = str(yaml_key.value), yaml_key.start_mark.line + 1
        if key in nodes:
            diagnostics.add(line, f"`{key}` is written twice (first on line {nodes[key].line}): keep one")
        else:
            nodes[key] = _read_node(loader, yaml_value, diagnostics, line)
    return nodes


def as_mapping(node: Node, keys: Iterable[str], diagnostics: Diagnostics, what: str) -> Mapping[str, Node] | None:
    """The nodes by key, with every key outside `keys` noted; None after noting that it is no mapping."""
    if not isinstance(node.plain, dict):
        diagnostics.add(node.line, f"{what} must be a mapping (`key: value`), not {describe(node)}")
        return None
    known = tuple(keys)
    for key, value in node.plain.items():
        if key not in known:
            diagnostics.add(value.line, f"unknown key `{key}` in {what}{nearest(key, known)}")
    return node.plain


def as_list(node: Node, diagnostics: Diagnostics, what: str) -> Iterator[Node]:
    """The nodes of a list that has at least one; none after noting that it is something else."""
    if isinstance(node.plain, list) and node.plain:
        yield from node.plain
    else:
        diagnostics.add(node.line, f"{what} must be a list (`- ...`) of at least one, not {describe(node)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    known = tuple(known)
    close = get_close_matches(word, known, n=1)
    if close:
        return f": did you mean `{close[0]}`?"
    return f": it can be {', '.join(f'`{name}`' for name in known)}" if known else ": there is none"


def quoted(node: Node) -> str:
    """A value that is none of those it can be, as a problem names it."""
    return f"`{node.plain}`" if isinstance(node.plain, str) and node.plain else describe(node)


def describe(node: Node) -> str:
    """What a value is, as a problem names it."""
    match node.plain:
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
