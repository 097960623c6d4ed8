"""Files of the pages for browsers, under names that change with their content: a browser keeps them for ever."""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.assets import MissingAssetsError, read_assets

OWN = Path(__file__).with_name("static")
PREFIX = "/static/"

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class File:
    """File in memory, plain and compressed, with its media type."""

    media_type: str
    content: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True)
class Files:
    """Files by their served name, and served names by the names that templates use."""

    served: Mapping[str, File]
    names: Mapping[str, str]

    def path(self, name: str) -> str | None:
        """Return the path of a file; None where the machine lacks a library, and the page does without."""
        served = self.names.get(name)
        return served and PREFIX + served


def read_files() -> Files:
    """Read the console's own files, and the libraries as far as `make assets` has built them."""
    served: dict[str, File] = {}
    names: dict[str, str] = {}
    for name, path in (*((path.name, path) for path in sorted(OWN.iterdir())), *_libraries()):
        if (media_type := _TYPES.get(path.suffix)) is None:
            continue
        content = path.read_bytes()
        stem, _, ending = name.rpartition(".")
        names[name] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
        served[names[name]] = File(media_type, content, gzip.compress(content, 9, mtime=0))
    return Files(served, names)


def _libraries() -> Iterable[tuple[str, Path]]:
    try:
        assets = read_assets()
    except MissingAssetsError:
        return ()
    return ((name, assets.folder / built) for name, built in assets.names.items())
