"""Secrets and logs in files: who may read them, and what happens to a file that is lost, foreign or too long."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import LocalError
from local.home import Home
from local.log_files import earlier, rotate
from local.ports import Ports
from local.process import Part, Process
from local.secret import kept_secret, read_secret
from local.users import write_private

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_made_once_and_readable_by_its_user_only(tmp_path):
    made = kept_secret(tmp_path / "key", None)
    assert len(made) == 43
    assert kept_secret(tmp_path / "key", None) == made
    assert mode(tmp_path / "key") == 0o600


def test_a_file_that_was_open_to_all_is_closed_when_a_secret_is_written_over_it(tmp_path):
    (tmp_path / "anju.env").write_text("old")
    (tmp_path / "anju.env").chmod(0o666)
    write_private(tmp_path / "anju.env", "ANJU_API_KEY=secret\n")
    assert mode(tmp_path / "anju.env") == 0o600
    assert (tmp_path / "anju.env").read_text() == "ANJU_API_KEY=secret\n"


@given(
    secret=st.text("abcXYZ0189-_", min_size=1), before=st.text(" \t\n", max_size=3), after=st.text(" \r\n", max_size=3)
)
def test_white_space_around_a_secret_is_not_part_of_it(tmp_path_factory, secret, before, after):
    path = tmp_path_factory.mktemp("key") / "key"
    write_private(path, before + secret + after)
    assert read_secret(path) == secret


def test_a_lost_secret_is_not_made_anew_where_data_depends_on_it(tmp_path):
    cluster = tmp_path / "cluster"
    kept_secret(tmp_path / "password", None, used_by=cluster)
    cluster.mkdir()
    (tmp_path / "password").unlink()
    with pytest.raises(LocalError, match=r"password is lost, and .*cluster opens with nothing else"):
        kept_secret(tmp_path / "password", None, used_by=cluster)
    assert not (tmp_path / "password").exists()


@pytest.mark.parametrize("bits", [0o604, 0o602, 0o620, 0o666])
def test_a_secret_that_others_can_read_or_change_is_refused(tmp_path, bits):
    write_private(tmp_path / "key", "hunter2-hunter2")
    (tmp_path / "key").chmod(bits)
    with pytest.raises(LocalError, match=rf"other users can read or change it \(mode {bits:o}\)") as refused:
        read_secret(tmp_path / "key")
    assert "hunter2-hunter2" not in str(refused.value)


def test_a_group_may_read_a_secret_of_its_service(tmp_path):
    write_private(tmp_path / "key", "hunter2-hunter2")
    (tmp_path / "key").chmod(0o640)
    assert read_secret(tmp_path / "key") == "hunter2-hunter2"


def test_an_empty_secret_is_refused(tmp_path):
    write_private(tmp_path / "key", "\n")
    with pytest.raises(LocalError, match="is empty"):
        read_secret(tmp_path / "key")


@root_only
def test_a_secret_of_another_user_is_refused_but_for_the_caller_of_sudo(tmp_path, monkeypatch):
    write_private(tmp_path / "key", "hunter2-hunter2")
    os.chown(tmp_path / "key", 12345, 12345)
    with pytest.raises(LocalError, match=r"belongs to another user \(uid 12345\)"):
        read_secret(tmp_path / "key")
    monkeypatch.setenv("SUDO_UID", "12345")
    assert read_secret(tmp_path / "key") == "hunter2-hunter2"


def test_logs_and_locks_of_parts_are_closed_to_others_even_where_they_were_open(tmp_path):
    for folder in (tmp_path / "log", tmp_path / "run"):
        folder.mkdir(mode=0o777)
    (tmp_path / "log" / "true.log").touch(0o644)
    with Home(tmp_path) as home:
        process = Process(Part(name="true", argv=("/bin/true",), check_ready=lambda: None), home)
        process.start()
        process.stop()
        assert {mode(path) for path in (tmp_path / "log", tmp_path / "run")} == {0o700}
        assert mode(process.log_file) == 0o600


@given(lines=st.lists(st.integers(1, 60), min_size=1, max_size=80))
def test_rotation_keeps_the_newest_lines_in_order_and_bounds_every_file(tmp_path_factory, lines):
    log = tmp_path_factory.mktemp("log") / "part.log"
    texts = [f"{number:03}{'x' * length}\n" for number, length in enumerate(lines)]
    with log.open("ab", buffering=0) as part:
        for text in texts:
            part.write(text.encode())
            rotate(log, limit_bytes=100, kept=2)
    files = [file for file in (earlier(log, 2), earlier(log, 1), log) if file.exists()]
    kept = "".join(file.read_text() for file in files)
    assert "".join(texts).endswith(kept)
    assert all(file.stat().st_size <= 100 + 64 for file in files)
    assert {mode(file) for file in files if file != log} <= {0o600}
    assert not earlier(log, 3).exists()


def test_a_short_or_absent_log_is_left_alone(tmp_path):
    assert not rotate(tmp_path / "part.log")
    (tmp_path / "part.log").write_text("a line\n")
    assert not rotate(tmp_path / "part.log")
    assert (tmp_path / "part.log").read_text() == "a line\n"


@pytest.mark.parametrize("port", [0, -1, 65536, 10**9])
def test_a_remembered_port_out_of_range_is_refused(tmp_path, port):
    (tmp_path / "ports.json").write_text(f'{{"http": {port}}}')
    with pytest.raises(LocalError, match=rf"ports.json is damaged \({port} is no port\)"):
        Ports(tmp_path).claim("http", 8000)
