"""`anju up` beside another installation, on external servers, and after a crash."""

import os
import pty
import random
import signal
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from cli import Up, anju, environment, running_up
from local.services import start_services
from patience import Stopwatch, eventually, patient, within
from run_guard import processes_of
from running import ANJU, query


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Run an external database and broker."""
    with start_services(tmp_path_factory.mktemp("servers"), print) as servers:
        yield servers


@pytest.fixture
def settings(servers):
    return {
        "ANJU_DATABASE_URL": servers.database_url,
        "ANJU_MQTT_URL": servers.mqtt_url,
        "ANJU_PUBLISH_MQTT_URL": servers.publish_mqtt_url,
        "ANJU_API_KEY": "chosen-by-the-operator",
        "ANJU_RETENTION_DAYS": "400",
        "ANJU_EVENT_RETENTION_DAYS": "vehicle_gate=30",
        "ANJU_SECRET_KEY_OLD": "the key before this one,and the one before it",
    }


def test_a_folder_in_use_is_refused_and_its_user_continues(house, tmp_path):
    done = anju("up", "--data-dir", house.data_dir, cwd=tmp_path)
    assert done.returncode == 4
    assert f"in use by another Anju (process {house.process.pid})" in done.stderr
    assert "--data-dir" in done.stderr
    assert house.anju("doctor").returncode == 0


def test_servers_named_in_the_settings_are_used_and_none_are_started(servers, settings, tmp_path):
    with running_up(tmp_path, **settings) as up:
        assert {key: up.settings[key] for key in settings} == settings
        assert up.key == settings["ANJU_API_KEY"]
        assert {file.stem for file in (up.data_dir / "run").glob("*.pid")} == {"ingest", "api", "worker"}
        assert not (up.data_dir / "postgres").exists()
        assert not (up.data_dir / "broker").exists()
        assert (done := up.anju("doctor")).returncode == 0, done.stdout
        assert up.stop(signal.SIGTERM) == 0
        assert processes_of(up.data_dir) == []
    assert servers.postgres.alive()
    assert servers.broker.alive()


def test_a_demo_on_a_broker_without_an_account_to_publish_is_refused_before_anything_starts(settings, tmp_path):
    del settings["ANJU_PUBLISH_MQTT_URL"]
    done = anju("up", "--demo", cwd=tmp_path, **settings)
    assert done.returncode == 2
    assert done.stderr.startswith("ANJU_PUBLISH_MQTT_URL is not set")
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = anju("up", "--data-dir", tmp_path / "file", cwd=tmp_path)
    assert done.returncode == 4
    assert "--data-dir" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_after_a_crash_of_everything_the_next_start_has_all_data(tmp_path):
    with running_up(tmp_path) as up:
        (tmp_path / "communities.csv").write_text("community,name,banner,street\nyangguang,阳光小区,东胜区,公园街道\n")
        assert up.anju("import", "--communities", "communities.csv").returncode == 0
        secrets = up.secrets
        for pid in {up.process.pid, *processes_of(Path(up.data_dir))}:
            with suppress(ProcessLookupError):  # a part may have ended with its supervisor
                os.kill(pid, signal.SIGKILL)
        up.process.wait(patient(20))
        watch = Stopwatch()
        up.start()
        assert watch.quiet_s() < 30
        assert up.secrets == secrets
        assert query(up.database_url, "SELECT name FROM community") == [("阳光小区",)]


def test_no_secret_is_in_the_output_that_is_no_terminal_nor_in_a_log(house):
    texts = [house.output, *(file.read_text(errors="replace") for file in (house.data_dir / "log").iterdir())]
    assert len(texts) > 6
    assert [secret for secret in house.secrets for text in texts if secret in text] == []


def test_what_it_writes_is_closed_to_other_users(house):
    data = house.data_dir
    private = [data / "anju.env", data / "log", data / "run", data / "api_key", data / "secret_key"]
    private += [data / "postgres", data / "broker", *(data / "log").iterdir()]
    assert {path: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in private} == dict.fromkeys(private, 0)


@pytest.mark.slow
def test_a_terminal_shows_the_key(settings, tmp_path):
    terminal, other_end = pty.openpty()
    with subprocess.Popen([ANJU, "up"], cwd=tmp_path, env=environment(settings), stdout=other_end) as up:
        os.close(other_end)
        shown = b""
        while b"ready:" not in shown or not shown.endswith(b"\n"):
            shown += os.read(terminal, 4096)
        up.terminate()
    assert f"key {settings['ANJU_API_KEY']}," in shown.decode()


@pytest.mark.slow
def test_a_lost_secret_is_said_and_not_made_anew(tmp_path):
    with running_up(tmp_path) as up:
        secrets = {name: up.data_dir / name for name in ("postgres/password", "secret_key")}
        assert up.stop() == 0
    for name, file in secrets.items():
        content = file.read_bytes()
        file.unlink()
        done = anju("up", cwd=tmp_path)
        assert done.returncode == 4
        assert f"{name} is lost, and" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not file.exists()
        file.touch(0o600)
        file.write_bytes(content)
    with running_up(tmp_path) as again:
        assert again.settings["ANJU_SECRET_KEY"] == secrets["secret_key"].read_text()


@pytest.mark.slow
def test_sigterm_ends_the_start_at_any_moment_within_five_seconds(tmp_path):
    """Some starts are the first of their folder, and some find what an interrupted one has left."""
    (tmp_path / "measured").mkdir()
    with running_up(tmp_path / "measured") as up:
        whole_s = up.ready_after_s
    dice, interrupted = random.Random(random.random()), 0
    for n in range(6):
        up = Up(tmp_path / f"folder-{n % 3}")
        up.folder.mkdir(exist_ok=True)
        up.spawn()
        with suppress(subprocess.TimeoutExpired):
            up.process.wait(dice.uniform(0.0, whole_s))
        interrupted += not up.ready_line
        up.process.terminate()
        within(5, lambda up=up: up.process.poll() is not None)
        assert up.process.returncode in {0, -signal.SIGTERM}, up.output  # the kernel's own way, before Python has begun
        assert "Traceback" not in up.output
        eventually(lambda up=up: processes_of(up.data_dir) == [])
    assert interrupted
    with running_up(tmp_path / "folder-0") as up:
        assert (done := up.anju("doctor")).returncode == 0, done.stdout


def test_the_log_of_a_part_does_not_grow_for_ever(house):
    log = house.data_dir / "log" / "ingest.log"
    with log.open("ab") as file:
        file.truncate(33 * 2**20)
    eventually(lambda: log.stat().st_size < 2**20)
    rotated = log.with_name("ingest.log.1")
    assert rotated.stat().st_size >= 33 * 2**20
    assert stat.S_IMODE(rotated.stat().st_mode) == 0o600
    rotated.unlink()


@pytest.mark.slow
def test_a_backup_of_one_installation_becomes_another(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with running_up(tmp_path / "old", ANJU_BACKUP_DIR="backups") as up:
        (up.folder / "communities.csv").write_text("community,name,banner,street\nyangguang,阳光小区,东胜区,公园街道\n")
        assert up.anju("import", "--communities", "communities.csv").returncode == 0
        nightly = eventually(lambda: list((up.folder / "backups").glob("*.backup.age")))  # the first one comes at once
        made = up.anju("backup", "elsewhere")
        assert made.returncode == 0, made.stderr
        secret_key = up.settings["ANJU_SECRET_KEY"]
        assert nightly
    (file,) = (tmp_path / "old" / "elsewhere").iterdir()
    words = ("restore", file, "--data-dir", ".anju")
    assert anju(*words, cwd=tmp_path / "new").returncode == 2  # it does not open without the key
    done = anju(*words, cwd=tmp_path / "new", ANJU_SECRET_KEY=secret_key)
    assert done.returncode == 0, done.stderr
    again = anju(*words, cwd=tmp_path / "new", ANJU_SECRET_KEY=secret_key)
    assert (again.returncode, "is in use since an earlier start" in again.stderr) == (1, True)
    with running_up(tmp_path / "new") as up:
        assert query(up.database_url, "SELECT name FROM community") == [("阳光小区",)]
        assert up.settings["ANJU_SECRET_KEY"] == secret_key
        assert (done := up.anju("doctor")).returncode == 0, done.stdout
