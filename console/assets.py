"""Browser libraries of the console: the files that `make` built, with their names by content."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("vendor")
MANIFEST = "manifest.json"


class MissingAssetsError(Exception):
    """The browser libraries of the console are not on this machine."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The built files, by the names that templates use."""

    folder: Path
    names: Mapping[str, str]

    def name(self, library: str) -> str:
        """Return the file name of a library, with the hash of its content.

        Raises:
            MissingAssetsError: No built file has this name.
        """
        try:
            return self.names[library]
        except KeyError:
            raise MissingAssetsError(f"The console has no file {library!r}: run `make assets`.") from None


def read_assets(folder: Path = FOLDER) -> Assets:
    """Read the list of the built files, and look that each one is there.

    Raises:
        MissingAssetsError: The list or a file of it is missing or damaged.
    """
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingAssetsError(
            f"The browser libraries of the console are missing in {folder}: run `make assets`."
        ) from error
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise MissingAssetsError(f"{folder / MANIFEST} is no list of files: run `make assets`.")
    missing = sorted(name for name in names.values() if not (folder / name).is_file())
    if missing:
        raise MissingAssetsError(f"The console lacks {', '.join(missing)} in {folder}: run `make assets`.")
    return Assets(folder, names)
