"""Find the server programs: the host's own where they are suitable, else those of the private prefix."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from local.apt import ADVICE
from local.errors import LocalError
from local.prefix import (
    NATS_SERVER,
    POSTGRES_BIN,
    POSTGRES_MAJOR,
    SERVERS,
    Bundle,
    ensure_prefix,
)

OLDEST_POSTGRES = 16
# Older ones can lose acknowledged messages (docs/decisions/0005), or lack security fixes of their line.
OLDEST_NATS = (2, 12, 12)
OLDEST_NATS_2_14 = (2, 14, 3)


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """PostgreSQL with TimescaleDB: the folder of its programs, and its major version."""

    folder: Path
    major: int


def find_postgres(progress: Callable[[str], None]) -> PostgresPrograms:
    """Return PostgreSQL of this machine, or of the private prefix, which is fetched the first time.

    Args:
        progress: receives a line in plain English for each long step.

    Raises:
        LocalError: neither is available; the message names the missing parts, and Docker Compose.
    """
    return host_postgres(_pg_configs()) or PostgresPrograms(
        private_prefix(SERVERS, progress) / POSTGRES_BIN, POSTGRES_MAJOR
    )


def find_postgres_clients(major: int, progress: Callable[[str], None]) -> Path:
    """Return the folder of pg_dump and pg_restore that fit a server: of this machine, or of the private prefix.

    Args:
        major: major version of the server; pg_dump refuses a newer one, and pg_restore an older one its commands.
        progress: receives a line in plain English for each long step.

    Raises:
        LocalError: there are none; the message names the package.
    """
    on_path = shutil.which("pg_dump")
    candidates = [Path("/usr/lib/postgresql", str(major), "bin"), *([Path(on_path).parent] if on_path else [])]
    for folder in candidates:
        found = re.search(r"\(PostgreSQL\) (\d+)", _output([str(folder / "pg_dump"), "--version"]))
        if found and int(found[1]) == major and (folder / "pg_restore").exists():
            return folder
    if major != POSTGRES_MAJOR:
        raise LocalError(
            f"The server is PostgreSQL {major}, and this machine has no pg_dump of that version: install "
            f"postgresql-client-{major}."
        )
    return private_prefix(SERVERS, progress) / POSTGRES_BIN


def find_nats_server(progress: Callable[[str], None]) -> Path:
    """Return NATS Server, as `find_postgres` does for PostgreSQL."""
    return host_nats_server() or private_prefix(SERVERS, progress) / NATS_SERVER


def private_prefix(bundle: Bundle, progress: Callable[[str], None]) -> Path:
    """Return the private prefix of the bundle, which is fetched the first time.

    Raises:
        LocalError: it cannot be fetched; the message says why, and names Docker Compose.
    """
    if sys.platform != "linux":
        raise LocalError(f"Local services run on Linux, and this is {sys.platform}. {ADVICE}")
    return ensure_prefix(bundle, progress)


def host_postgres(pg_configs: Iterable[Path]) -> PostgresPrograms | None:
    """Return the newest suitable PostgreSQL among those of these `pg_config` programs.

    A suitable one has version 16 or newer, the server programs, and the files of the TimescaleDB extension.
    """
    found = [programs for pg_config in pg_configs if (programs := _usable(_describe(pg_config)))]
    return max(found, key=lambda programs: programs.major, default=None)


def host_nats_server() -> Path | None:
    """Return the host's nats-server if its version is accepted."""
    program = shutil.which("nats-server")
    version = re.search(r"v(\d+)\.(\d+)\.(\d+)", _output([program, "--version"])) if program else None
    if program and version and is_accepted_nats((int(version[1]), int(version[2]), int(version[3]))):
        return Path(program)
    return None


def is_accepted_nats(version: tuple[int, int, int]) -> bool:
    """Return whether a version of NATS Server may be used: 2.12.12 and later ones of its line, or 2.14.3 and newer."""
    return version >= OLDEST_NATS_2_14 or OLDEST_NATS <= version < (2, 13, 0)


def _pg_configs() -> list[Path]:
    on_path = shutil.which("pg_config")
    versioned = [*Path("/usr/lib/postgresql").glob("*/bin/pg_config"), *Path("/usr").glob("pgsql-*/bin/pg_config")]
    return [*([Path(on_path)] if on_path else []), *versioned]


def _describe(pg_config: Path) -> dict[str, str]:
    """Return the output of `pg_config`, which has a name and a value on each line."""
    lines = (line.partition(" = ") for line in _output([str(pg_config)]).splitlines())
    return {name: value for name, _, value in lines}


def _usable(description: dict[str, str]) -> PostgresPrograms | None:
    version = re.match(r"PostgreSQL (\d+)", description.get("VERSION", ""))
    if version is None or int(version[1]) < OLDEST_POSTGRES:
        return None
    folder = Path(description["BINDIR"])
    needed = (
        folder / "initdb",
        folder / "postgres",
        Path(description["SHAREDIR"], "extension", "timescaledb.control"),
        Path(description["PKGLIBDIR"], "timescaledb.so"),
    )
    return PostgresPrograms(folder, int(version[1])) if all(path.exists() for path in needed) else None


def _output(command: list[str]) -> str:
    """Return the standard output of a command; empty if the command is missing or fails."""
    try:
        return subprocess.run(  # noqa: S603 - the argv is a list and ours
            command, capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
