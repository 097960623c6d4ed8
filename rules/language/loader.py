"""Loader of a folder of rule files, which reports all mistakes at once.

A file `<kind>.yaml` lists the rules of one kind of device, or of `pipeline`, Anju's own data ingestion. The optional
`calendars.yaml` adds calendars to the built-in ones, see `rules.language.read_calendars`. The vocabulary of conditions
is in `rules.language.read_condition`, the keys of a rule are in `rules.language.read_rule`.

A rule enters the `RulePack` of `load_rules` only if all its examples hold. `read_rules` does not run them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rules.language.read_calendars import FILE_NAME, read_calendars
from rules.language.read_rule import read_rule
from rules.language.run_examples import run_examples
from rules.language.yaml_document import Diagnostic, Diagnostics, Node, as_list, nearest, read_document
from rules.model.calendar import Calendar
from rules.model.rule import Rule, RulePack, RulesError
from rules.model.virtual_kinds import RULE_KINDS


class RuleFileError(RulesError):
    """The rule files are invalid; `diagnostics` holds every reason, ordered by file and line."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics)))
        super().__init__("\n".join(["the rule files cannot be used:", *map(str, self.diagnostics)]))


def load_rules(folder: Path) -> RulePack:
    """Load and check every rule file of the folder, and run the examples.

    Raises:
        RuleFileError: A file is invalid, or the folder has no rule file.
    """
    rules, unreadable = read_rules(folder)
    diagnostics = (*unreadable, *(diagnostic for rule in rules for diagnostic in run_examples(rule)))
    if diagnostics:
        raise RuleFileError(diagnostics)
    return RulePack(rules)


def read_rules(folder: Path) -> tuple[tuple[Rule, ...], tuple[Diagnostic, ...]]:
    """Read the folder without running examples; return the readable rules and all diagnostics."""
    yaml_files = sorted(path for path in folder.glob("*.y*ml") if path.suffix in {".yaml", ".yml"})
    paths = [path for path in yaml_files if path.name != FILE_NAME]
    if not paths:
        return (), (Diagnostic(str(folder), 1, "no rule file here: name a folder that has <kind>.yaml files"),)
    rules: list[Rule] = []
    names: dict[str, str] = {}
    calendar_diagnostics = Diagnostics(FILE_NAME)
    calendars = read_calendars(folder, calendar_diagnostics)
    entries = calendar_diagnostics.entries
    for path in paths:
        diagnostics = Diagnostics(path.name)
        rules += _read_file(path, calendars, diagnostics, names)
        entries += diagnostics.entries
    return tuple(rules), (*entries, *_check_explained(rules))


def _check_explained(rules: Sequence[Rule]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each rule that explains an unknown one, one of another kind, or itself."""
    for rule in rules:
        file, line = rule.source.rsplit(":", 1)
        others = [other.name for other in rules if other.kind == rule.kind and other is not rule]
        for name in rule.explains:
            if name not in others:
                message = f"`explains` of {rule.name} names {name!r}, no other rule of `{rule.kind}`"
                yield Diagnostic(file, int(line), f"{message}{nearest(name, others)}")


def _read_file(
    path: Path, calendars: Mapping[str, Calendar], diagnostics: Diagnostics, names: dict[str, str]
) -> list[Rule]:
    """Read the rules of one file; an unreadable file yields diagnostics and no rules."""
    kind = RULE_KINDS.get(path.stem)
    if kind is None:
        diagnostics.add(1, f"a rule file is named <kind>.yaml after a kind of device{nearest(path.stem, RULE_KINDS)}")
        return []
    if path.suffix != ".yaml":
        diagnostics.add(1, f"rename the file to {path.stem}.yaml: there is one file a kind")
        return []
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        diagnostics.add(1, f"not UTF-8 ({error.reason} at byte {error.start}): save the file in UTF-8")
        return []
    document = read_document(text, diagnostics)
    if document is None:
        if not diagnostics.entries:
            diagnostics.add(1, "the file is empty: write a list of rules, or delete it")
        return []
    rules = []
    for node in as_list(document, diagnostics, "a rule file"):
        _check_name_is_unique(node, diagnostics, names)
        rule = read_rule(node, kind, calendars, diagnostics)
        if rule:
            rules.append(rule)
    return rules


def _check_name_is_unique(node: Node, diagnostics: Diagnostics, names: dict[str, str]) -> None:
    name = node.plain.get("name") if isinstance(node.plain, dict) else None
    if name is None or not isinstance(name.plain, str):
        return
    if name.plain in names:
        diagnostics.add(
            name.line, f"`{name.plain}` is already the name of the rule in {names[name.plain]}: choose another"
        )
    names.setdefault(name.plain, f"{diagnostics.file}:{name.line}")
