"""Folder of rule files that is reloaded after a change."""

from pathlib import Path

from rules.language.file_changes import FileChanges
from rules.language.loader import load_rules


class RuleFolder:
    """The rules in force: the last valid content of a folder of rule files."""

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            RuleFileError: A rule file is invalid.
        """
        self._folder = folder
        self._changes = FileChanges(lambda: folder.glob("*.y*ml"))
        self.pack = load_rules(folder)

    def reload(self, *, force: bool = False) -> bool:
        """Reload the folder if a file changed, or in any case with `force`; return whether the rules changed.

        Raises:
            RuleFileError: A rule file is invalid. The previous rules stay in force, and the same files are not read
                again without `force`.
        """
        if not self._changes.detect() and not force:
            return False
        before, self.pack = self.pack, load_rules(self._folder)
        return before != self.pack
