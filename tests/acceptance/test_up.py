"""`anju up` beside another installation, on external servers, and after a crash."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from cli import anju, running_up
from local.services import start_services
from patience import Stopwatch, patient
from run_guard import processes_of
from running import query


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
        assert up.anju("doctor").returncode == 0
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
