import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.apt import (
    ARCHITECTURES,
    apt_configuration,
    architecture,
    mirrors,
    preferences,
    resolved,
    sources_list,
    why_apt_failed,
)
from local.errors import LocalError

DEB822 = """\
# written by the installer
Types: deb
URIs: http://mirrors.tuna.tsinghua.edu.cn/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirrors.tuna.tsinghua.edu.cn/debian-security
Suites: bookworm-security
Components: main
"""
hosts = st.from_regex(r"[a-z]{1,8}\.[a-z]{2,3}", fullmatch=True)


def test_a_mirror_is_read_from_the_deb822_format():
    assert mirrors(DEB822) == ["http://mirrors.tuna.tsinghua.edu.cn/debian"]


def test_a_mirror_is_read_from_the_one_line_format():
    text = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://ftp.cn.debian.org/debian bookworm main
deb-src https://sources.example/debian bookworm main
deb https://security.debian.org/debian-security bookworm-security main
"""
    assert mirrors(text) == ["https://ftp.cn.debian.org/debian"]


def test_a_disabled_stanza_names_no_mirror():
    assert mirrors("Enabled: no\n" + DEB822.removeprefix("# written by the installer\n")) == []


def test_addresses_may_continue_on_the_next_line():
    assert mirrors("Types: deb\nURIs: http://a.example/debian\n http://b.example/debian\nSuites: sid\n") == [
        "http://a.example/debian",
        "http://b.example/debian",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "mirror+file:/etc/apt/mirrors/debian",
        "http://archive.ubuntu.com/ubuntu",
        "cdrom:[Debian]/debian",
        "file:/debian",
    ],
)
def test_an_address_without_a_debian_mirror_on_the_network_is_ignored(address: str):
    assert mirrors(f"URIs: {address}\n") == []


@given(hosts=st.lists(hosts, max_size=5))
def test_both_formats_name_the_same_mirrors(hosts: list[str]):
    urls = [f"https://{host}/debian" for host in hosts]
    deb822 = "\n\n".join(f"Types: deb\nURIs: {url}\nSuites: bookworm\nComponents: main" for url in urls)
    one_line = "\n".join(f"deb {url} bookworm main" for url in urls)
    assert mirrors(deb822) == mirrors(one_line) == urls


@given(text=st.text())
def test_any_text_is_read_without_an_exception(text: str):
    assert all(mirror.endswith("/debian") for mirror in mirrors(text))


def test_sources_are_verified_with_debians_keyring_and_nothing_else():
    text = sources_list("http://m.example/debian", ARCHITECTURES["aarch64"], Path("/k.gpg"))
    assert text == (
        "deb [arch=arm64 signed-by=/k.gpg targets=Packages] http://m.example/debian trixie main\n"
        "deb [arch=arm64 signed-by=/k.gpg targets=Packages] http://m.example/debian forky main\n"
    )


def test_only_nats_server_comes_from_the_newer_suite():
    pins = re.findall(r"Package: (\S+)\nPin: release n=(\S+)\nPin-Priority: (\S+)", preferences())
    chosen = {(package, suite) for package, suite, priority in pins if int(priority) > 0}
    barred = {(package, suite) for package, suite, priority in pins if int(priority) < 0}
    assert chosen == {("nats-server", "forky")}
    assert barred == {("*", "forky"), ("nats-server", "trixie")}


def test_apt_always_verifies_signatures():
    configuration = apt_configuration(Path("/p"), ARCHITECTURES["x86_64"])
    assert not re.search(r"unauthenticated|insecure|trusted\s*=\s*yes|Verify", configuration, re.IGNORECASE)


def test_apt_writes_only_below_its_own_folder():
    configuration = apt_configuration(Path("/p"), ARCHITECTURES["x86_64"])
    paths = re.findall(r'^(?:Dir\S*) "([^"]*)"', configuration, re.MULTILINE)
    assert paths
    assert all(path == "/dev/null" or path.startswith("/p/") for path in paths)


def test_an_unknown_architecture_is_an_error_that_names_the_known_ones():
    with pytest.raises(LocalError, match=r"x86_64, aarch64, not for riscv64.*Docker Compose"):
        architecture("riscv64")


def test_compilers_script_languages_and_system_programs_are_left_out_of_the_download():
    simulation = (
        "Reading package lists...\n"
        "Inst libc6 (2.41-12 Debian:13 [amd64]) []\n"
        "Inst libllvm19 (1:19 Debian:13 [amd64])\n"
        "Inst libjson-perl (4 Debian:13 [all])\n"
        "Inst perl-base (5 Debian:13 [amd64])\n"
        "Inst libz3-4 (4 Debian:13 [amd64])\n"
        "Inst locales (2 Debian:13 [all])\n"
        "Inst systemd (257 Debian:13 [amd64])\n"
        "Inst libsystemd0 (257 Debian:13 [amd64])\n"
        "Inst postgresql-17 (17.11 Debian:13 [amd64])\n"
        "Conf libc6 (2.41-12 Debian:13 [amd64])\n"
    )
    assert resolved(simulation) == ["libc6", "libsystemd0", "postgresql-17"]


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("E: The repository 'http://m trixie InRelease' is not signed.", "signature"),
        ("The following signatures couldn't be verified: NO_PUBKEY 0E98404D386FA1D9", "newer debian-archive-keyring"),
        ("E: Failed to fetch http://m/debian  Temporary failure resolving 'm'", "ANJU_DEBIAN_MIRROR"),
        ("E: Failed to fetch http://m/debian  404  Not Found\nE: The repository is not signed.", "has no trixie"),
        ("E: Release file for http://m/InRelease is expired (invalid since 16d 15h).", "clock is wrong"),
        ("E: Unable to locate package nats-server", "could not fetch the packages from http://m/debian"),
    ],
)
def test_a_failure_of_apt_is_explained(output: str, advice: str):
    assert advice in why_apt_failed(output, "http://m/debian")
