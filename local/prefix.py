"""The private prefix: Debian's servers unpacked in the user's cache, each started through the prefix's own C library.

The packages are built for a newer C library than an older host has. So each server gets a wrapper in its own place
that runs the real program through the prefix's dynamic loader; PostgreSQL finds its `share` and `lib` relative to
the path that it was started by, hence the wrapper's place and `--argv0`.
"""

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.apt import ADVICE, SUITE, Architecture, architecture, chosen_mirror, fetch, require_tools, unpack
from local.errors import LocalError
from local.locks import locked

SETTING = "ANJU_LOCAL_PREFIX"
RECIPE = 2  # raise it when a prefix made by an older Anju must not be used
POSTGRES_MAJOR = 17
POSTGRES_BIN = f"usr/lib/postgresql/{POSTGRES_MAJOR}/bin"
NATS_SERVER = "usr/sbin/nats-server"
MOSQUITTO_SERVER = "usr/sbin/mosquitto"
REAL = "usr/libexec/anju"
NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", f"usr/lib/postgresql/{POSTGRES_MAJOR}/lib/bitcode")
ZONE = Path("/usr/share/zoneinfo/Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Debian packages that stand in one prefix.

    Attributes:
        suffix: what its folder's name ends in.
        packages: their names; what they depend on comes with them.
        programs: those that are started, as paths relative to the prefix that may hold a `*` for a version.
        download: what is fetched, in words and MB.
    """

    suffix: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    download: str


SERVERS = Bundle(
    "",
    (f"postgresql-{POSTGRES_MAJOR}-timescaledb", "nats-server"),
    (*(f"{POSTGRES_BIN}/{name}" for name in ("initdb", "postgres", "psql", "pg_dump", "pg_restore")), NATS_SERVER),
    f"PostgreSQL {POSTGRES_MAJOR}, TimescaleDB and NATS Server: 71 MB",
)
MOSQUITTO = Bundle(
    "-mosquitto",
    ("mosquitto", "mosquitto-clients"),
    (MOSQUITTO_SERVER, "usr/bin/mosquitto_sub"),
    "Mosquitto: 24 MB",
)
RABBITMQ = Bundle(
    "-rabbitmq",
    ("rabbitmq-server",),
    (
        *(f"usr/lib/erlang/erts-*/bin/{name}" for name in ("beam.smp", "epmd", "erl_child_setup", "inet_gethost")),
        *(f"usr/lib/erlang/lib/os_mon-*/priv/bin/{name}" for name in ("cpu_sup", "memsup")),
    ),
    "RabbitMQ with Erlang: 78 MB",
)


def prefix_path(arch: Architecture, environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """Where the prefix stands: `ANJU_LOCAL_PREFIX`, or a folder of the cache named after what is in it.

    Root's own cache is closed to the user that root drops to, so root uses the machine's.
    """
    if chosen := environ.get(SETTING):
        return Path(chosen).absolute()
    if os.geteuid() == 0 if root is None else root:
        cache = Path("/var/cache")
    else:
        cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "anju" / "servers" / f"{SUITE}-{arch.name}-{RECIPE}"


def bundle_path(bundle: Bundle, arch: Architecture) -> Path:
    """Where the bundle's own prefix stands: beside that of the servers."""
    servers = prefix_path(arch)
    return servers.with_name(servers.name + bundle.suffix)


def wrapper(program: str, arch: Architecture) -> str:
    """The script in the place of `program` (a path relative to the prefix), which may stand anywhere."""
    libraries = f"$root/usr/lib/{arch.triplet}"
    return (
        "#!/bin/sh\n"
        f'root="${{0%/{program}}}"\n'
        f'exec "{libraries}/{arch.loader}" --library-path "{libraries}" --argv0 "$0" '
        f'"$root/{REAL}/{Path(program).name}" "$@"\n'
    )


def build(bundle: Bundle, target: Path, arch: Architecture, mirror: str) -> None:
    """Fetch and unpack the packages into the empty folder `target` and put the wrappers in place.

    Raises:
        LocalError: see `local.apt.fetch`.
    """
    downloads = target / "apt"
    downloads.mkdir()
    unpack(fetch(bundle.packages, downloads, mirror, arch), target)
    for folder_name in ("apt", *NOT_NEEDED):
        shutil.rmtree(target / folder_name, ignore_errors=True)
    (target / REAL).mkdir(parents=True)
    for script in (script for program in bundle.programs for script in target.glob(program)):
        script.rename(target / REAL / script.name)
        script.write_text(wrapper(str(script.relative_to(target)), arch))
        script.chmod(0o755)


def build_once(target: Path, build_into: Callable[[Path], None]) -> None:
    """Make `target` with `build_into` unless it exists: complete or not at all, and by one process at a time.

    An interrupted build leaves its temporary folder, which the next one removes.

    Raises:
        LocalError: `target` cannot be written; whatever `build_into` raises.
    """
    if target.exists():
        return
    try:
        with _readable_by_all(), locked(target.with_name(f"{target.name}.lock")):
            if target.exists():
                return
            draft = target.with_name(f".{target.name}.draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            build_into(draft)
            draft.rename(target)
    except PermissionError as error:
        raise LocalError(f"{error.filename} cannot be written; set {SETTING} to a folder that can.") from error


def ensure_prefix(bundle: Bundle, progress: Callable[[str], None]) -> Path:
    """The prefix with the bundle, fetched now if this is the first time.

    Raises:
        LocalError: the machine lacks something or the download failed; says what, and names Docker Compose.
    """
    arch = architecture(platform.machine())
    target = bundle_path(bundle, arch)
    if not target.exists():
        require_tools()
        mirror = chosen_mirror()
        progress(f"fetching from {mirror}, once: {bundle.download}")
        build_once(target, lambda folder: build(bundle, folder, arch, mirror))
        progress(f"now in {target}")
    if not ZONE.exists():
        raise LocalError(f"{ZONE} is missing, and PostgreSQL needs it. Install the package tzdata. {ADVICE}")
    return target


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """Make files readable by all for the block: apt's user downloads, and the user that root drops to runs them."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
