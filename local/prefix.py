"""Private prefix: Debian's servers unpacked in the user's cache, each started with the prefix's own C library.

The packages need a newer C library than an older host has. Each server is therefore replaced by a wrapper that runs the
real program through the dynamic loader of the prefix. PostgreSQL finds its `share` and `lib` relative to the path of
its start, which explains the place of the wrapper and `--argv0`.
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
RECIPE = 2  # increase it when a prefix of an older Anju must not be used
POSTGRES_MAJOR = 17
POSTGRES_BIN = f"usr/lib/postgresql/{POSTGRES_MAJOR}/bin"
NATS_SERVER = "usr/sbin/nats-server"
REAL = "usr/libexec/anju"
NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", f"usr/lib/postgresql/{POSTGRES_MAJOR}/lib/bitcode")
ZONE = Path("/usr/share/zoneinfo/Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Debian packages of one prefix.

    Attributes:
        suffix: the end of the name of its folder.
        packages: their names, without dependencies.
        programs: the servers, as paths relative to the prefix with a `*` for a version.
        download: a description of the download.
        megabytes: its size.
    """

    suffix: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    download: str
    megabytes: int


SERVERS = Bundle(
    "",
    (f"postgresql-{POSTGRES_MAJOR}-timescaledb", "nats-server"),
    (*(f"{POSTGRES_BIN}/{name}" for name in ("initdb", "postgres", "psql", "pg_dump", "pg_restore")), NATS_SERVER),
    f"PostgreSQL {POSTGRES_MAJOR}, TimescaleDB and NATS Server",
    71,
)


def prefix_path(arch: Architecture, environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """Return the folder of the prefix: `ANJU_LOCAL_PREFIX`, or a folder of the cache named after its contents.

    Root's own cache is closed to the unprivileged user, so root uses the cache of the machine.
    """
    if chosen := environ.get(SETTING):
        return Path(chosen).absolute()
    if os.geteuid() == 0 if root is None else root:
        cache = Path("/var/cache")
    else:
        cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "anju" / "servers" / f"{SUITE}-{arch.name}-{RECIPE}"


def bundle_path(bundle: Bundle, arch: Architecture) -> Path:
    """Return the folder of the bundle's own prefix, beside that of the servers."""
    servers = prefix_path(arch)
    return servers.with_name(servers.name + bundle.suffix)


def wrapper(program: str, arch: Architecture) -> str:
    """Return the script that replaces `program`, a path relative to a prefix at any place."""
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
    """Create `target` with `build_into` unless it exists: completely or not at all, and in one process at a time.

    An interrupted build leaves its temporary folder, which the next one removes.

    Raises:
        LocalError: `target` cannot be written, or `build_into` failed.
    """
    if target.exists():
        return
    try:
        with _readable_by_all(), locked(target.with_name(f"{target.name}.lock")):
            if target.exists():
                return
            draft = _draft(target)
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            build_into(draft)
            draft.rename(target)
    except PermissionError as error:
        raise LocalError(f"{error.filename} cannot be written; set {SETTING} to a folder that can.") from error


def ensure_prefix(bundle: Bundle, progress: Callable[[str], None]) -> Path:
    """Return the prefix with the bundle, which is fetched the first time.

    Raises:
        LocalError: a tool is missing or the download failed; the message names it, and Docker Compose.
    """
    arch = architecture(platform.machine())
    target = bundle_path(bundle, arch)
    if not target.exists():
        require_tools()
        mirror = chosen_mirror()
        progress(f"fetching from {mirror}, once: {bundle.download}, {bundle.megabytes} MB")
        build_once(target, lambda folder: build(bundle, folder, arch, mirror))
        progress(f"now in {target}")
    if not ZONE.exists():
        raise LocalError(f"{ZONE} is missing, and PostgreSQL needs it. Install the package tzdata. {ADVICE}")
    return target


def fetched_megabytes(bundle: Bundle) -> float:
    """Return how much of the bundle a running `ensure_prefix` has fetched; 0 without one."""
    downloads = _draft(bundle_path(bundle, architecture(platform.machine()))) / "apt"
    sizes = (file.stat().st_size for file in downloads.glob("debs/**/*") if file.is_file())
    try:
        return sum(sizes) / 1e6
    except FileNotFoundError:  # apt has just renamed a file, or all are unpacked
        return 0.0


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.draft")


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """Make new files readable by all during the block, for apt's user and for the user of the servers."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
