"""Find the server programs: the host's own where they have what is needed, else those of the private prefix."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from local.apt import ADVICE
from local.errors import LocalError
from local.prefix import NATS_SERVER, POSTGRES_BIN, POSTGRES_MAJOR, ensure_prefix

OLDEST_POSTGRES = 16
OLDEST_NATS = (2, 12)  # older ones can lose what they acknowledged: docs/decisions/0005


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs that local services are run with."""

    initdb: Path
    postgres: Path
    postgres_major: int
    psql: Path | None
    pg_dump: Path | None
    nats_server: Path


@dataclass(frozen=True, slots=True)
class _PostgresPrograms:
    folder: Path
    major: int


def find_binaries(progress: Callable[[str], None]) -> Binaries:
    """The servers of this machine, or those of the private prefix, which is fetched the first time.

    Args:
        progress: gets a line in plain English for each step that takes long.

    Raises:
        LocalError: neither is to be had; says what is missing, and names Docker Compose.
    """
    if sys.platform != "linux":
        raise LocalError(f"Local services run on Linux, and this is {sys.platform}. {ADVICE}")
    postgres, nats_server = host_postgres(_pg_configs()), host_nats_server()
    if postgres is None or nats_server is None:
        prefix = ensure_prefix(progress)
        postgres = postgres or _PostgresPrograms(prefix / POSTGRES_BIN, POSTGRES_MAJOR)
        nats_server = nats_server or prefix / NATS_SERVER
    return Binaries(
        initdb=postgres.folder / "initdb",
        postgres=postgres.folder / "postgres",
        postgres_major=postgres.major,
        psql=_if_there(postgres.folder / "psql"),
        pg_dump=_if_there(postgres.folder / "pg_dump"),
        nats_server=nats_server,
    )


def host_postgres(pg_configs: Iterable[Path]) -> _PostgresPrograms | None:
    """The newest PostgreSQL among those that these `pg_config` programs describe which has what Anju needs.

    That is: version 16 or newer, the server programs, and the files of the TimescaleDB extension.
    """
    found = [programs for pg_config in pg_configs if (programs := _usable(_describe(pg_config)))]
    return max(found, key=lambda programs: programs.major, default=None)


def host_nats_server() -> Path | None:
    """The host's nats-server when it is 2.12 or newer."""
    program = shutil.which("nats-server")
    version = re.search(r"v(\d+)\.(\d+)", _output([program, "--version"])) if program else None
    if program and version and (int(version[1]), int(version[2])) >= OLDEST_NATS:
        return Path(program)
    return None


def _pg_configs() -> list[Path]:
    on_path = shutil.which("pg_config")
    versioned = [*Path("/usr/lib/postgresql").glob("*/bin/pg_config"), *Path("/usr").glob("pgsql-*/bin/pg_config")]
    return [*([Path(on_path)] if on_path else []), *versioned]


def _describe(pg_config: Path) -> dict[str, str]:
    """What `pg_config` prints, a name and a value a line."""
    lines = (line.partition(" = ") for line in _output([str(pg_config)]).splitlines())
    return {name: value for name, _, value in lines}


def _usable(description: dict[str, str]) -> _PostgresPrograms | None:
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
    return _PostgresPrograms(folder, int(version[1])) if all(path.exists() for path in needed) else None


def _if_there(program: Path) -> Path | None:
    return program if program.exists() else None


def _output(command: list[str]) -> str:
    """Standard output of a command that may not be there or may not work; then it is empty."""
    try:
        return subprocess.run(  # noqa: S603 - the argv is a list and ours
            command, capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
