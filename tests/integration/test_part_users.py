"""Parts of `anju up` as users of their own, when root starts it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app import parts
from app.parts import anju_part, part_user, parts_as_root
from local.home import Home
from local.process import Process
from local.users import service_user
from patience import eventually

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")


@pytest.fixture(autouse=True)
def nothing_remembered():
    parts._can_reach.cache_clear()  # noqa: SLF001 - each test has another interpreter


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """Return a folder with programs that any user can run, whatever folder the Python of these tests is in."""
    version = subprocess.run([SYSTEM_PYTHON, "-V"], check=False, capture_output=True, text=True).stdout
    if not version.startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}."):
        pytest.skip("this machine has no Python of its own for the packages of the tests")
    if not all(folder.stat().st_mode & 0o005 == 0o005 for folder in (ROOT, *ROOT.parents)):
        pytest.skip("the repository is closed to other users")
    # The folders of pytest are closed to other users.
    bin_folder = Path(tempfile.mkdtemp(prefix="anju-test-"))
    bin_folder.chmod(0o755)
    (site,) = ROOT.glob(".venv/lib/python*/site-packages")
    for name, arguments in (("python", ""), ("anju", "-c 'from app.cli import main; main()'")):
        (bin_folder / name).write_text(
            f"#!/bin/sh\nexport PYTHONPATH={ROOT}:{site} PYTHONDONTWRITEBYTECODE=1\n"
            f'exec {SYSTEM_PYTHON} {arguments} "$@"\n'
        )
        (bin_folder / name).chmod(0o755)
    monkeypatch.setattr("sys.executable", str(bin_folder / "python"))
    yield bin_folder
    for name in ("python", "anju"):
        (bin_folder / name).unlink()
    bin_folder.rmdir()


def status(process: Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@as_root
def test_a_part_runs_as_a_user_of_its_own_with_its_own_secrets(installed, tmp_path):
    settings = {
        "ANJU_DATABASE_URL": "postgresql://x:y@127.0.0.1:1/x", "ANJU_API_KEY": "an api key of the tests",
        "ANJU_SECRET_KEY": "a secret key of the tests", "ANJU_MQTT_URL": "mqtt://i:i@127.0.0.1:1",
    }  # fmt: skip
    user = service_user("api")
    assert user is not None
    with Home(tmp_path) as home:
        # It runs, and waits for the database that is away.
        process = Process(anju_part("api", ("api",), {**settings, "ANJU_HTTP_PORT": "0"}, lambda: None), home)
        process.start()
        try:
            eventually(lambda: not process.alive() or b"app.cli" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
            assert process.alive(), process.log_file.read_text()
            assert set(status(process)["Uid"].split()) == {str(user.uid)}
            assert status(process)["Groups"].strip() == ""
            assert int(status(process)["CapEff"], 16) == 0
            given = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
            assert {line.partition("=")[0] for line in given if line.startswith("ANJU_")} == {
                "ANJU_DATABASE_URL", "ANJU_API_KEY", "ANJU_HTTP_PORT", "ANJU_SECRET_KEY",
            }  # fmt: skip
            eventually(lambda: not process.alive() or "database" in process.log_file.read_text(), timeout_s=30)
            assert process.alive(), process.log_file.read_text()
            assert "Permission" not in process.log_file.read_text()
        finally:
            process.stop()


@as_root
def test_each_part_is_another_user(installed):
    users = [part_user(name, {}) for name in ("ingest", "api", "worker", "door", "simulators")]
    assert None not in users
    assert len({user.uid for user in users}) == 5
    assert parts_as_root(("ingest", "api", "worker"), {}) == []


@as_root
def test_a_part_whose_file_is_closed_to_others_runs_as_root_and_is_named(installed, tmp_path):
    closed = tmp_path / "notify.yaml"
    closed.write_text("{}")
    closed.chmod(0o600)
    settings = {"ANJU_NOTIFY_FILE": str(closed)}
    assert part_user("worker", settings) is None
    assert part_user("simulators", settings) is not None
    assert parts_as_root(("worker",), settings) == ["worker"]


@as_root
def test_parts_of_a_python_that_is_closed_to_others_run_as_root_and_are_named(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(SYSTEM_PYTHON)
    monkeypatch.setattr("sys.executable", str(closed / "python"))
    assert parts_as_root(("ingest", "api", "worker"), {}) == ["ingest", "api", "worker"]


def test_without_root_all_parts_are_the_user_that_starts_them(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert part_user("ingest", {}) is None
    assert parts_as_root(("ingest",), {}) == []
