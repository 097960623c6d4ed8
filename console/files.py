"""Files of the pages for browsers, under names that change with their content: a browser keeps them for ever."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
    """Files by their served name, and served names by those that templates use."""

    served: Mapping[str, File]
    names: Mapping[str, str]

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return PREFIX + self.names[name]


def read_files() -> Files:
    """Read the files of the folder `static`."""
    served: dict[str, File] = {}
    names: dict[str, str] = {}
    for path in sorted(OWN.iterdir()):
        content = path.read_bytes()
        name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"
        names[path.name] = name
        served[name] = File(_TYPES[path.suffix], content, gzip.compress(content, 9, mtime=0))
    return Files(served, names)
