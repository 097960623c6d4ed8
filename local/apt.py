"""Fetch Debian packages with a private apt, with its own sources, lists and package state; the host is unchanged.

apt verifies signatures against Debian's archive keyring, resolves dependencies and checks the hash of every file. This
module generates its configuration as pure text; `fetch` and `unpack` run it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.errors import LocalError

SUITE = "trixie"
NATS_SUITE = "forky"  # SUITE's nats-server can lose acknowledged messages: docs/decisions/0005
# Dependencies of the packages' scripts, of query compilation (which Anju switches off) and of other languages: half
# of the download, none of it run here.
LEFT_OUT = re.compile(
    r"libllvm|libz3|perl|lib.*perl|locales$|libc-l10n$|systemd$|libsystemd-shared$|openssl$|passwd$|procps$"
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
MIRROR_SETTING = "ANJU_DEBIAN_MIRROR"
SOURCES = Path("/etc/apt")
ADVICE = "Or run the services with Docker Compose: docker compose up"


@dataclass(frozen=True, slots=True)
class Architecture:
    """Debian architecture, with the path of the dynamic loader in its C library."""

    name: str
    triplet: str
    loader: str


ARCHITECTURES = {
    "x86_64": Architecture("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": Architecture("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


def architecture(machine: str) -> Architecture:
    """Return the Debian architecture of a machine, named as by `uname -m`.

    Raises:
        LocalError: the architecture is not supported.
    """
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise LocalError(f"Private servers exist for {known}, not for {machine}. {ADVICE}") from None


def sources_list(mirror: str, arch: Architecture, keyring: Path = KEYRING) -> str:
    """Return the private `sources.list`, with a line for each suite."""
    options = f"[arch={arch.name} signed-by={keyring} targets=Packages]"
    return "".join(f"deb {options} {mirror} {suite} main\n" for suite in (SUITE, NATS_SUITE))


def preferences() -> str:
    """Return the private `preferences`: nats-server from `NATS_SUITE` only, everything else from `SUITE`."""
    pins = (("*", NATS_SUITE, -1), ("nats-server", NATS_SUITE, 990), ("nats-server", SUITE, -1))
    return "\n".join(
        f"Package: {package}\nPin: release n={suite}\nPin-Priority: {priority}\n" for package, suite, priority in pins
    )


def apt_configuration(folder: Path, arch: Architecture) -> str:
    """Return the private `apt.conf`, with all paths of apt below `folder`; the host's settings (proxies) stay in force.

    Hooks of the host's configuration that run after an update would change the host. They are cleared.
    """
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    nothing = (
        *("Dir::Etc::sourceparts", "Dir::Etc::preferencesparts"),
        *("Dir::Etc::trusted", "Dir::Etc::trustedparts"),
    )
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::preferences": folder / "preferences",
        **dict.fromkeys(nothing, "/dev/null"),
        "Dir::State": folder / "state",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Log": folder / "log",
        "APT::Architecture": arch.name,
        "APT::Architectures": arch.name,
        "APT::Install-Recommends": "false",
        "APT::Update::Error-Mode": "any",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    cleared = [f"#clear {name};" for name in (*hooks, "APT::Architectures")]
    return "\n".join([*cleared, *(f'{name} "{value}";' for name, value in settings.items())]) + "\n"


def mirrors(text: str) -> list[str]:
    """Return the Debian mirrors in a file of apt sources, in the deb822 or the one-line format, in order.

    A mirror is an http or https address that ends in `/debian`, unlike security and other archives.
    """
    enabled = [stanza for stanza in re.split(r"\n\s*\n", text) if not re.search(r"(?im)^enabled:\s*no\b", stanza)]
    uncommented = "\n".join(re.sub(r"(?m)^\s*#.*$", "", stanza) for stanza in enabled)
    deb822 = re.findall(r"(?im)^uris:((?:.*)(?:\n[ \t]+.*)*)", uncommented)
    one_line = re.findall(r"(?m)^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)", uncommented)
    addresses = [address.rstrip("/") for group in (*deb822, *one_line) for address in group.split()]
    return [
        address
        for address in addresses
        if urlsplit(address).scheme in {"http", "https"} and urlsplit(address).path.endswith("/debian")
    ]


def chosen_mirror(environ: Mapping[str, str] = os.environ, sources: Path = SOURCES) -> str:
    """Return `ANJU_DEBIAN_MIRROR`, else the Debian mirror of the host's own apt, else Debian's."""
    if configured := environ.get(MIRROR_SETTING):
        return configured.rstrip("/")
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*.sources"))]
    files += sorted((sources / "sources.list.d").glob("*.list"))
    readable = (file.read_text(errors="replace") for file in files if os.access(file, os.R_OK))
    return next((mirror for text in readable for mirror in mirrors(text)), DEFAULT_MIRROR)


def resolved(simulation: str) -> list[str]:
    """Return the packages to fetch, from the output of `apt-get --simulate install`."""
    names = re.findall(r"(?m)^Inst (\S+)", simulation)
    return [name for name in names if not LEFT_OUT.match(name)]


def why_apt_failed(output: str, mirror: str) -> str:
    """Return the remedy for a failure of apt, from its output."""
    unsigned = "is not signed" in output and "Failed to fetch" not in output
    if unsigned or re.search(r"NO_PUBKEY|BADSIG|EXPKEYSIG|GPG error", output):
        return (
            f"The signature of {mirror} could not be verified with {KEYRING}. "
            "If the keyring is old, install a newer debian-archive-keyring; otherwise the mirror is not to be trusted."
        )
    if "is expired" in output:
        return (
            f"{mirror} has not been brought up to date for a week, or this machine's clock is wrong. Set the clock, "
            f"or name another Debian mirror in {MIRROR_SETTING}."
        )
    if re.search(r"Failed to fetch|Could not (resolve|connect)|timed out", output):
        return (
            f"{mirror} could not be reached, or has no {SUITE} or no {NATS_SUITE}. "
            f"Check the network and apt's proxy settings, or name another Debian mirror in {MIRROR_SETTING}."
        )
    return f"apt could not fetch the packages from {mirror}."


def require_tools(keyring: Path = KEYRING) -> None:
    """Raise LocalError with the missing tools unless this host has all those of `fetch`."""
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        raise LocalError(
            f"This machine has no {' and no '.join(missing)} (it is not Debian or Ubuntu), so private servers cannot "
            "be fetched. Install PostgreSQL 16 or newer with TimescaleDB, and nats-server 2.12.12, or 2.14.3 or newer. "
            f"{ADVICE}"
        )
    if not keyring.exists():
        raise LocalError(
            f"{keyring} is missing, so Debian's signatures cannot be verified. "
            f"Install it: apt install debian-archive-keyring. {ADVICE}"
        )


def fetch(packages: Sequence[str], folder: Path, mirror: str, arch: Architecture) -> list[Path]:
    """Download the verified packages with their dependencies into `folder`/debs; return the paths of the files.

    Raises:
        LocalError: apt failed; the message names the reason and the remedy.
    """
    debs = folder / "debs"
    partial = [folder / "lists" / "partial", folder / "cache" / "archives" / "partial"]
    for directory in (debs, *partial, folder / "state", folder / "log"):
        directory.mkdir(parents=True)
    if os.geteuid() == 0:
        _give_to_apt_user([debs, *partial])
    (folder / "status").touch()
    (folder / "sources.list").write_text(sources_list(mirror, arch))
    (folder / "preferences").write_text(preferences())
    configuration = folder / "apt.conf"
    configuration.write_text(apt_configuration(folder, arch))

    def apt_get(*arguments: str) -> str:
        return _run(["apt-get", "-q", "-c", str(configuration), *arguments], debs, mirror)

    apt_get("update")
    names = resolved(apt_get("--simulate", "install", *packages))
    apt_get("download", *names)
    return sorted(debs.glob("*.deb"))


def unpack(packages: Iterable[Path], target: Path) -> None:
    """Unpack the files of the packages below `target`, without running their scripts."""
    for package in packages:
        result = subprocess.run(  # noqa: S603 - the argv is a list and ours
            ["dpkg", "-x", str(package), str(target)],  # noqa: S607 - from PATH, as a shell would
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise LocalError(f"{package.name} could not be unpacked into {target}: {result.stderr.strip()}")


def _give_to_apt_user(directories: Iterable[Path]) -> None:
    # As root apt downloads as the user _apt, which must be able to write there; without that user it stays root.
    try:
        for directory in directories:
            shutil.chown(directory, "_apt")
    except LookupError:
        return


def _run(command: list[str], cwd: Path, mirror: str) -> str:
    result = subprocess.run(  # noqa: S603 - the argv is a list and ours
        command, cwd=cwd, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        output = result.stdout + result.stderr
        errors = [line for line in output.splitlines() if line.startswith(("E:", "W:", "Err:"))]
        details = "\n".join(f"    {line}" for line in errors[:8])
        raise LocalError(f"{why_apt_failed(output, mirror)} {ADVICE}\n{details}")
    return result.stdout
