"""Count riddles in docstrings and comments: `make prose`, or `make prose FILES="rules ingest/worker.py"`.

Three families of patterns are counted per thousand words: *what* in place of a noun, *tell* and *say* for a component
that sends or states, and persons without a name (*nobody*, *whoever*, *whose*). The figures are a thermometer and no
gate: a sentence may be clear and counted, or a riddle and not counted.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAMILIES = {
    "what": re.compile(
        r"\bwhat (?:is|are|was|were|has|have|had|can|can't|could|may|must|will|would|does|do|did|comes|came|goes|it|"
        r"they|he|we|you|one|a|an|the|this|that|its|their|rules|people|devices?)\b",
        re.IGNORECASE,
    ),
    "tell": re.compile(r"\b(?:tells?|telling|told|says?|saying|said)\b", re.IGNORECASE),
    "who": re.compile(r"\b(?:nobody|no one|who(?:m)?ever|whose|whom)\b", re.IGNORECASE),
}
_WORD = re.compile(r"[A-Za-z][\w'’-]*")
_DIRECTIVE = re.compile(r"#\s*(?:noqa|type:|fmt:|pragma|!)")


@dataclass(frozen=True, slots=True)
class Prose:
    """Words and patterns of the docstrings and comments of one text.

    Attributes:
        words: Number of words.
        patterns: Number of matches by family, in the order of `FAMILIES`.
    """

    words: int
    patterns: tuple[int, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        """Patterns per thousand words by family."""
        return tuple(1000 * count / self.words if self.words else 0.0 for count in self.patterns)

    def __add__(self, other: "Prose") -> "Prose":
        """Return the counts of both texts."""
        both = zip(self.patterns, other.patterns, strict=True)
        return Prose(self.words + other.words, tuple(ours + theirs for ours, theirs in both))


def sentences(source: str) -> Iterator[str]:
    """Yield the docstrings and the comments of a Python source, without directives to tools such as `noqa`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not _DIRECTIVE.match(token.string):
            yield token.string.lstrip("# ")


def measure(source: str) -> Prose:
    """Count the words and the patterns in a Python source."""
    text = "\n".join(sentences(source))
    patterns = tuple(len(pattern.findall(text)) for pattern in FAMILIES.values())
    return Prose(len(_WORD.findall(text)), patterns)


def files(names: list[str]) -> list[Path]:
    """Return the Python files of the named files and folders, or of the whole repository.

    Hidden folders such as `.venv` are left out.

    Raises:
        FileNotFoundError: A name is neither a file nor a folder.
    """
    paths: set[Path] = set()
    for start in [ROOT / name for name in names] or [ROOT]:
        if not start.exists():
            raise FileNotFoundError(f"{start}: no such file or folder")
        inside = start.rglob("*.py") if start.is_dir() else [start]
        paths |= {path for path in inside if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)}
    return sorted(paths)


def report(counts: dict[str, Prose]) -> str:
    """Return a table of the files, worst first, with the total in the last line."""
    worst = sorted(counts.items(), key=lambda item: (-sum(item[1].rates), item[0]))
    total = sum(counts.values(), Prose(0, (0,) * len(FAMILIES)))
    width = max(map(len, [*counts, "total"]))
    lines = [f"{'per thousand words':<{width}} {'words':>7} " + " ".join(f"{name:>6}" for name in FAMILIES)]
    for name, prose in [*worst, ("total", total)]:
        lines.append(f"{name:<{width}} {prose.words:>7} " + " ".join(f"{rate:>6.1f}" for rate in prose.rates))
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> None:
    """Print the report of the named files and folders, or of the whole repository."""
    counts = {str(path.relative_to(ROOT)): measure(path.read_text(encoding="utf-8")) for path in files(names)}
    sys.stdout.write(report(counts))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FileNotFoundError as error:
        sys.exit(str(error))
