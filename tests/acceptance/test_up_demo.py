"""`anju up --demo`: complete communities on one machine, live alerts, and no loss through kills."""

import os
import signal
import stat
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cli import PARTS, running_up
from leaks import leaks
from patience import Stopwatch, eventually, patient, within
from run_guard import processes_of
from running import query

FIRST_MINUTES = timedelta(minutes=2)
NEWEST = """
    SELECT greatest((SELECT max(received_at) FROM telemetry_gateway), (SELECT max(received_at) FROM event))
"""


def command_line(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:  # noqa: PTH123
        return file.read().split("\0")


def alerts_since_ready(demo):
    """Return the live alerts; those of the demo's history began earlier."""
    return [alert for alert in demo.alerts() if datetime.fromisoformat(alert["opened_at"]) > demo.ready_at]


def test_the_addresses_of_the_ready_line_answer(demo):
    assert {each["id"] for each in demo.get("/communities")["items"]} == {"linyin-xiaoqu", "qingchun-jiayuan"}
    assert httpx.get(demo.documentation, timeout=patient(20)).is_success
    assert (demo.folder / demo.settings_file).samefile(demo.data_dir / "anju.env")
    assert httpx.get(f"{demo.url}/api/v1/communities", timeout=patient(20)).status_code == 401


def test_the_settings_in_force_can_be_read_by_their_owner_alone(demo):
    assert stat.S_IMODE((demo.data_dir / "anju.env").stat().st_mode) == 0o600
    assert demo.settings["ANJU_API_KEY"] == demo.key
    assert demo.settings["ANJU_HTTP_PORT"] == demo.url.rpartition(":")[2]
    needed = {"DATABASE_URL", "MQTT_URL", "PUBLISH_MQTT_URL", "SECRET_KEY"}
    assert {f"ANJU_{name}" for name in needed} <= demo.settings.keys()


def test_no_secret_is_in_the_logs_the_output_or_the_command_lines_of_its_parts(demo):
    assert leaks(demo) == []


def test_the_login_page_shows_an_account_of_each_role_that_logs_in(demo):
    page = httpx.get(f"{demo.url}/login", timeout=patient(20)).text
    password = demo.settings["ANJU_DEMO_PASSWORD"]
    assert password in page
    assert password not in demo.output
    for role in ("property", "street", "bureau", "utility", "admin", "developer"):
        assert f"demo-{role}" in page
        with httpx.Client(base_url=demo.url, timeout=patient(20)) as client:
            answer = client.post("/login", data={"name": f"demo-{role}", "password": password})
            assert answer.status_code == 303, role
            onward = answer.headers["location"]
            assert onward == ("/login/step?next=%2F" if role == "admin" else "/")
            assert client.get(onward, follow_redirects=True).status_code == 200


def test_every_part_has_its_process_id_in_a_file(demo):
    commands = {part: command_line(demo.pid(part)) for part in PARTS}
    assert all(commands[part][-2:] == [part, ""] for part in ("door", "ingest", "api", "worker"))
    assert any("postgres" in word for word in commands["postgres"])
    assert any("nats-server" in word for word in commands["broker"])


@pytest.mark.slow
def test_two_installations_run_side_by_side_without_interference(house, demo):
    assert house.secrets.isdisjoint(demo.secrets)
    addresses = [
        {key: value for key, value in up.settings.items() if "URL" in key or "PORT" in key} for up in (house, demo)
    ]
    assert set(addresses[0].values()).isdisjoint(addresses[1].values())
    demo_communities = {each["id"] for each in demo.get("/communities")["items"]}
    assert demo_communities.isdisjoint(each["id"] for each in house.get("/communities")["items"])


@pytest.mark.slow
def test_five_kinds_of_alert_are_raised_and_printed_in_the_first_two_minutes(demo):
    eventually(lambda: len({alert["rule"] for alert in alerts_since_ready(demo)}) >= 5, timeout_s=150)
    alerts = alerts_since_ready(demo)
    in_time = [each for each in alerts if datetime.fromisoformat(each["raised_at"]) < demo.ready_at + FIRST_MINUTES]
    assert len({alert["rule"] for alert in in_time}) >= 5
    assert all(alert["simulated"] for alert in alerts)
    for alert in (each for each in alerts if not each["suppressions"]):
        line = f"报警（模拟） {alert['message']}"
        eventually(lambda line=line: line in demo.output, timeout_s=20)


@pytest.mark.slow
def test_the_history_of_the_demo_never_makes_ingest_lag(demo):
    eventually(lambda: len({alert["rule"] for alert in alerts_since_ready(demo)}) >= 5, timeout_s=150)
    assert "数据接入滞后" not in {alert["title"] for alert in demo.alerts()}


@pytest.mark.slow
def test_the_demo_has_a_week_of_history_that_arrived_on_time(demo):
    hours = "SELECT count(DISTINCT date_trunc('hour', received_at)) FROM telemetry_gateway"
    eventually(lambda: query(demo.database_url, hours)[0][0] > 7 * 24, timeout_s=300)
    [(late, readings)] = query(
        demo.database_url,
        "SELECT count(*) FILTER (WHERE received_at - ts > '2 minutes'), count(*) FROM telemetry_electricity_meter",
    )
    assert readings > 100_000
    assert late < 0.01 * readings


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_is_back_within_five_seconds_and_no_alert_is_lost(demo, part):
    alerts = {alert["id"] for alert in eventually(lambda: alerts_since_ready(demo), timeout_s=120)}
    killed, killed_at = demo.pid(part), datetime.now(UTC)
    os.kill(killed, signal.SIGKILL)
    restarted = within(5, lambda: demo.pid(part) not in {0, killed} and demo.pid(part))
    # The five seconds are those of the supervisor; the start of the part depends on the machine.
    eventually(lambda: is_ready(demo), timeout_s=60)
    assert alerts <= {alert["id"] for alert in demo.alerts()}
    eventually(lambda: query(demo.database_url, NEWEST)[0][0] > killed_at, timeout_s=120)
    # Other parts show that the new one is at work; `doctor` alone shows a worker that sends notices.
    eventually(lambda: demo.anju("doctor").returncode == 0, timeout_s=60)
    assert demo.pid(part) == restarted
    assert f"{part} was ended by SIGKILL; starting it again" in demo.output


def is_ready(up):
    try:
        return httpx.get(f"{up.url}/readyz", timeout=patient(10)).is_success
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_no_secret_is_printed_or_logged_or_on_a_command_line(demo):
    eventually(lambda: alerts_since_ready(demo), timeout_s=120)
    logs = {file.name: file.read_text() for file in (demo.data_dir / "log").iterdir()}
    assert {f"{part}.log" for part in PARTS} <= logs.keys()
    texts = {
        **logs,
        "output": demo.output.replace(demo.ready_line, ""),
        **{f"command line of {pid}": " ".join(command_line(pid)) for pid in processes_of(demo.data_dir)},
    }
    assert len(demo.secrets) >= 5
    assert [name for name, text in texts.items() if any(secret in text for secret in demo.secrets)] == []


@pytest.mark.slow
def test_ctrl_c_ends_everything_and_the_next_start_is_quick_and_has_all_data(tmp_path):
    with running_up(tmp_path, "--demo") as up:
        stored = eventually(lambda: readings(up), timeout_s=60)
        devices, secrets = up.get("/devices", limit=1000)["items"], up.secrets
        assert up.stop() == 0
        assert processes_of(up.data_dir) == []
        assert [part for part in PARTS if up.pid(part)] == []
        watch = Stopwatch()
        up.start()
        assert watch.quiet_s() < 20
        assert up.secrets == secrets
        assert readings(up) >= stored
        assert [each["device"] for each in up.get("/devices", limit=1000)["items"]] == [
            each["device"] for each in devices
        ]


def readings(up):
    return query(up.database_url, "SELECT count(*) FROM telemetry_water_meter")[0][0]
