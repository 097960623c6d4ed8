import multiprocessing
import os
import subprocess
import time
from pathlib import Path

import pytest

from local.apt import ARCHITECTURES, DEFAULT_MIRROR, chosen_mirror, require_tools
from local.binaries import host_nats_server, host_postgres
from local.errors import LocalError
from local.prefix import REAL, build_once, wrapper
from patience import patient

SPAWN = multiprocessing.get_context("spawn")


def build_slowly(target: Path) -> None:
    (target / "first").write_text("")
    with (target.parent / "builds").open("a") as builds:
        builds.write(f"{os.getpid()}\n")
    time.sleep(0.5)
    (target / "last").write_text("")


def build_and_list(target: Path, listings: multiprocessing.Queue) -> None:
    build_once(target, build_slowly)
    listings.put(sorted(path.name for path in target.iterdir()))


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_of_two_simultaneous_processes_one_builds_and_both_see_the_complete_prefix(tmp_path: Path):
    target, listings = tmp_path / "prefix", SPAWN.Queue()
    processes = [SPAWN.Process(target=build_and_list, args=(target, listings)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [listings.get(timeout=patient(30)) for _ in processes] == [["first", "last"]] * 2
    for process in processes:
        process.join(patient(30))
    assert len((tmp_path / "builds").read_text().splitlines()) == 1


def test_an_interrupted_build_leaves_no_partial_prefix_and_the_next_one_succeeds(tmp_path: Path):
    target = tmp_path / "prefix"
    process = SPAWN.Process(target=build_once, args=(target, build_slowly))
    process.start()
    while not list(tmp_path.glob("*/first")) and not list(tmp_path.glob(".*/first")):
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join(patient(30))
    assert not target.exists()
    build_once(target, build_slowly)
    assert (target / "last").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_failed_build_is_reported_and_not_used_as_a_prefix(tmp_path: Path):
    def fail(_folder: Path) -> None:
        raise LocalError("no network")

    with pytest.raises(LocalError, match="no network"):
        build_once(tmp_path / "prefix", fail)
    assert not (tmp_path / "prefix").exists()


def test_every_user_can_read_the_prefix_with_any_umask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        build_once(tmp_path / "cache" / "prefix", lambda folder: None)
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "cache", tmp_path / "cache" / "prefix")] == [
        "0o755",
        "0o755",
    ]


def test_a_wrapper_works_at_any_place_of_the_prefix(tmp_path: Path):
    arch = ARCHITECTURES["x86_64"]
    root = tmp_path / "a folder"
    program(root / "usr" / "lib" / arch.triplet / arch.loader, 'printf "%s\\n" "$@"')
    started = program(root / "usr" / "sbin" / "server", "")
    started.write_text(wrapper("usr/sbin/server", arch))
    output = subprocess.check_output([started, "-c", "a b"], text=True)
    libraries = f"{root}/usr/lib/{arch.triplet}"
    assert output.splitlines() == [
        *("--library-path", libraries, "--argv0", str(started)),
        *(f"{root}/{REAL}/server", "-c", "a b"),
    ]


def host_installation(root: Path, major: int, *, timescaledb: bool) -> Path:
    for name in ("initdb", "postgres"):
        program(root / "bin" / name, "")
    if timescaledb:
        for file in (root / "share" / "extension" / "timescaledb.control", root / "lib" / "timescaledb.so"):
            program(file, "")
    return program(
        root / "bin" / "pg_config",
        f"echo 'BINDIR = {root}/bin'; echo 'SHAREDIR = {root}/share'; echo 'PKGLIBDIR = {root}/lib'\n"
        f"echo 'VERSION = PostgreSQL {major}.4 (Debian {major}.4-1)'",
    )


def test_the_newest_host_postgres_with_timescaledb_is_used(tmp_path: Path):
    configs = [
        host_installation(tmp_path / "16", 16, timescaledb=True),
        host_installation(tmp_path / "17", 17, timescaledb=True),
        host_installation(tmp_path / "18", 18, timescaledb=False),
        host_installation(tmp_path / "15", 15, timescaledb=True),
        tmp_path / "absent" / "pg_config",
    ]
    host = host_postgres(configs)
    assert host is not None
    assert (host.major, host.folder) == (17, tmp_path / "17" / "bin")


def test_a_host_postgres_that_is_old_or_lacks_timescaledb_is_ignored(tmp_path: Path):
    configs = [
        host_installation(tmp_path / "15", 15, timescaledb=True),
        host_installation(tmp_path / "17", 17, timescaledb=False),
    ]
    assert host_postgres(configs) is None


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("v2.10.27", False),
        ("v2.12.0", False),
        ("v2.12.11", False),
        ("v2.12.12", True),
        ("v2.12.20", True),
        ("v2.13.0", False),
        ("v2.14.2", False),
        ("v2.14.3", True),
        ("v2.15.0", True),
        ("v3.0.1", True),
    ],
)
def test_a_host_broker_is_used_from_its_first_good_version_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
):
    program(tmp_path / "nats-server", f"echo 'nats-server: {version}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert host_nats_server() == (tmp_path / "nats-server" if taken else None)


def test_a_configured_mirror_precedes_the_hosts(tmp_path: Path):
    (tmp_path / "sources.list").write_text("deb http://host.example/debian bookworm main\n")
    own = {"ANJU_DEBIAN_MIRROR": "https://own.example/mirror/"}
    assert chosen_mirror(own, tmp_path) == "https://own.example/mirror"
    assert chosen_mirror({}, tmp_path) == "http://host.example/debian"


def test_a_host_without_a_debian_mirror_uses_debians(tmp_path: Path):
    assert chosen_mirror({}, tmp_path) == DEFAULT_MIRROR


def test_a_host_without_apt_is_an_error_with_the_requirements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=r"no apt-get and no dpkg.*TimescaleDB.*Docker Compose"):
        require_tools()


def test_a_host_without_debians_keyring_is_an_error_with_a_remedy(tmp_path: Path):
    with pytest.raises(LocalError, match="apt install debian-archive-keyring"):
        require_tools(tmp_path / "absent.gpg")
