"""Reader of YAML into plain values with line numbers, and collector of diagnostics."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor


class Diagnostic(NamedTuple):
    """A mistake in a rule file, and its remedy."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line; `plain` is a scalar, a list of nodes, or a dict of nodes."""

    line: int
    plain: object


@dataclass(slots=True)
class Diagnostics:
    """The diagnostics of one file, so far."""

    file: str
    entries: list[Diagnostic] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Add a diagnostic; reading continues, so that all mistakes are reported together."""
        self.entries.append(Diagnostic(self.file, line, message))


class _TreeComposer(Composer):
    """Composer that refuses aliases: each rule is readable on its own, and no document contains itself."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # type: ignore[attr-defined]
            mark = self.get_event().start_mark  # type: ignore[attr-defined]
            raise yaml.composer.ComposerError(
                problem="aliases (`*name`) are not read: write out what it stands for", problem_mark=mark
            )
        return super().compose_node(parent, index)  # type: ignore[arg-type]


class _FastLoader(_TreeComposer, yaml.CSafeLoader):
    """Loader on libyaml's parser, five times as fast as PyYAML's own."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)


class _Loader(_TreeComposer, yaml.SafeLoader):
    """Loader on PyYAML's parser, which explains mistakes better."""


def read_document(text: str, diagnostics: Diagnostics) -> Node | None:
    """Read the one document of a file; None for an empty file, or with a diagnostic for invalid YAML."""
    try:
        loader, yaml_node = _compose(text)
        return None if yaml_node is None else _read_node(loader, yaml_node, diagnostics)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        diagnostics.add(mark.line + 1 if mark else 1, f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        diagnostics.add(1, f"not valid YAML: {' '.join(str(error).split())}")
    except RecursionError:
        diagnostics.add(1, "nested too deeply to be read: write it with fewer levels")
    return None


def _compose(text: str) -> tuple[SafeConstructor, yaml.Node | None]:
    # A tab or a `?` inside plain text is valid for libyaml, and a mistake for PyYAML.
    if not {"\t", "?"} & set(text):
        fast = _FastLoader(text)
        with suppress(yaml.YAMLError, RecursionError):
            return fast, fast.get_single_node()
    loader = _Loader(text)
    return loader, loader.get_single_node()


def _read_node(
    loader: SafeConstructor, yaml_node: yaml.Node, diagnostics: Diagnostics, line: int | None = None
) -> Node:
    line = line or yaml_node.start_mark.line + 1
    if isinstance(yaml_node, yaml.SequenceNode):
        return Node(line, [_read_node(loader, child, diagnostics) for child in yaml_node.value])
    if isinstance(yaml_node, yaml.MappingNode):
        return Node(line, _read_mapping(loader, yaml_node, diagnostics))
    try:
        plain = loader.construct_object(yaml_node)
        # YAML 1.1 reads 22:00 as the number 22 times 60; the author means a time.
        return Node(line, yaml_node.value if isinstance(plain, int | float) and ":" in yaml_node.value else plain)
    except ValueError as error:
        diagnostics.add(line, f"{yaml_node.value!r} cannot be read ({error}): put it in quotes or correct it")
        return Node(line, None)


def _read_mapping(loader: SafeConstructor, yaml_node: yaml.MappingNode, diagnostics: Diagnostics) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for yaml_key, yaml_value in yaml_node.value:
        key, line = str(yaml_key.value), yaml_key.start_mark.line + 1
        if key in nodes:
            diagnostics.add(line, f"`{key}` is written twice (first on line {nodes[key].line}): keep one")
        else:
            nodes[key] = _read_node(loader, yaml_value, diagnostics, line)
    return nodes


def as_mapping(node: Node, keys: Iterable[str], diagnostics: Diagnostics, what: str) -> Mapping[str, Node] | None:
    """Return the nodes by key, with a diagnostic for each unknown key; None, with one, for anything else."""
    if not isinstance(node.plain, dict):
        diagnostics.add(node.line, f"{what} must be a mapping (`key: value`), not {describe(node)}")
        return None
    known = tuple(keys)
    for key, value in node.plain.items():
        if key not in known:
            diagnostics.add(value.line, f"unknown key `{key}` in {what}{nearest(key, known)}")
    return node.plain


def as_list(node: Node, diagnostics: Diagnostics, what: str) -> Iterator[Node]:
    """Yield the nodes of a non-empty list; add a diagnostic for anything else."""
    if isinstance(node.plain, list) and node.plain:
        yield from node.plain
    else:
        diagnostics.add(node.line, f"{what} must be a list (`- ...`) of at least one, not {describe(node)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the closest known word, or all known words."""
    known = tuple(known)
    close = get_close_matches(word, known, n=1)
    if close:
        return f": did you mean `{close[0]}`?"
    return f": it can be {', '.join(f'`{name}`' for name in known)}" if known else ": there is none"


def quoted(node: Node) -> str:
    """Return a refused value as a diagnostic quotes it."""
    return f"`{node.plain}`" if isinstance(node.plain, str) and node.plain else describe(node)


def describe(node: Node) -> str:
    """Return a value or its type in the words of a diagnostic."""
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
