"""Folder of rule files that is reloaded after a change."""

from collections.abc import Mapping
from pathlib import Path

from rules.language.loader import load_rules


class RuleFolder:
    """The rules in force: the last valid content of a folder of rule files."""

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            RuleFileError: A rule file is invalid.
        """
        self._folder = folder
        self._last_fingerprint = _fingerprint(folder)
        self.pack = load_rules(folder)

    def reload(self, *, force: bool = False) -> bool:
        """Reload the folder if a file changed, or in any case with `force`; return whether the rules changed.

        Raises:
            RuleFileError: A rule file is invalid. The previous rules stay in force, and the same files are not read
                again without `force`.
        """
        fingerprint = _fingerprint(self._folder)
        if fingerprint == self._last_fingerprint and not force:
            return False
        self._last_fingerprint = fingerprint
        before, self.pack = self.pack, load_rules(self._folder)
        return before != self.pack


def _fingerprint(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Return size and modification time of each file; none for a missing folder."""
    files = (path for path in sorted(folder.glob("*.y*ml")) if path.is_file())
    return {path.name: (status.st_size, status.st_mtime_ns) for path in files if (status := path.stat())}
