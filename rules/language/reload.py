"""The rules in force, and the folder that they come from, so that a change of it is noticed."""

from collections.abc import Mapping
from pathlib import Path

from rules.language.loader import load_rules


class RuleFolder:
    """A folder of rule files. What was read last without a problem is in force."""

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            RuleFileError: its rules cannot be used.
        """
        self._folder = folder
        self._seen = _fingerprint(folder)
        self.pack = load_rules(folder)

    def reread(self, *, forced: bool = False) -> bool:
        """Read the folder again if a file of it has changed, or if told to; whether other rules are in force now.

        Raises:
            RuleFileError: its rules cannot be used. Those before stay in force, and the same files are not read again.
        """
        seen = _fingerprint(self._folder)
        if seen == self._seen and not forced:
            return False
        self._seen = seen
        before, self.pack = self.pack, load_rules(self._folder)
        return before != self.pack


def _fingerprint(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Size and time of change of each file; a folder that is not there has none."""
    found = (path for path in sorted(folder.glob("*.y*ml")) if path.is_file())
    return {path.name: (status.st_size, status.st_mtime_ns) for path in found if (status := path.stat())}
