"""Operation of the API: keys, errors, readiness, metrics, logs, and outages of the database."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import ApiSettings, create_app
from api.auth import make_seal
from app.rule_files import rules_folder
from database_roles import as_role
from laws import examples
from patience import eventually, patient
from rules.language.reload import RuleFolder
from store.admin.migrate import migrate
from store.admin.roles import Role
from store.database import Database, connect
from store.notices.delivery import count_failure, record_failed
from store.notices.enqueue import NewNotice, insert_notices
from store.telemetry.write_events import ConnectionRow, record_connections

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)


NO_KEY = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer 密"}]
)
@pytest.mark.parametrize("path", ["communities", "devices/a/b?limit=x", "alerts/stream", "alerts/7"])
def test_without_the_key_every_request_is_refused(api: Any, path: str, header: dict[str, str]) -> None:
    sent = {name: value.encode() for name, value in header.items()}
    answer = httpx.get(f"{api.url}/api/v1/{path}", headers=sent, timeout=patient(20))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "key-refused"


@pytest.mark.parametrize("path", NO_KEY)
def test_routes_of_operation_need_no_key(api: Any, path: str) -> None:
    assert httpx.get(api.url + path, timeout=patient(20)).status_code == 200


def test_an_empty_key_is_refused_at_start() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    try:
        with pytest.raises(ValueError, match="ANJU_API_KEY"):
            create_app(
                database,
                ApiSettings(api_key="", seal=make_seal(b"key"), version="1", rules=RuleFolder(rules_folder(None))),
            )
    finally:
        database.close()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/alerts", 405)])
def test_an_unknown_route_is_a_problem_too(api: Any, method: str, path: str, status: int) -> None:
    answer = api.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_internal_error_reveals_no_internals(database_url: str, start_api: Callable[[str], Any]) -> None:
    api = start_api(database_url)
    with connect(database_url, application_name="test") as connection:
        connection.execute("ALTER TABLE community ALTER COLUMN built_year TYPE text USING 'old'")
        connection.execute(
            "INSERT INTO community (id, name, banner, street, built_year) VALUES ('a', '甲', '东胜区', '街道', 'old')"
        )
    answer = api.get("/communities")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "internal-error",
        "title": "系统内部出错",
        "status": 500,
        "detail": "Anju made a mistake; its log says which.",
        "detail_zh": "系统内部出错，请稍后再试；还是不行，请管理员查看日志。",
    }
    eventually(lambda: "built_year" in api.log())
    counted = 'anju_http_requests_total{method="GET",route="/api/v1/communities",status="500"} 1.0'
    assert counted in httpx.get(f"{api.url}/metrics", timeout=patient(20)).text


def test_a_database_of_another_version_is_reported_as_unavailable(
    database_url: str, start_api: Callable[[str], Any]
) -> None:
    api = start_api(database_url)
    with connect(database_url, application_name="test") as connection:
        connection.execute("ALTER TABLE community RENAME TO elsewhere")
    answer = api.get("/communities")
    assert answer.status_code == 503
    assert "elsewhere" not in answer.text
    assert "does not exist" not in answer.text


def test_a_value_that_the_database_cannot_store_is_an_error_of_the_client(api: Any) -> None:
    answer = api.client.get("/devices?community=%00")
    assert answer.status_code == 422
    assert answer.json()["type"] == "request-invalid"


def test_a_database_without_its_schema_is_not_ready(empty_database_url: str, start_api: Callable[[str], Any]) -> None:
    api = start_api(empty_database_url)
    answer = httpx.get(f"{api.url}/readyz", timeout=patient(20))
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["every migration is missing"]
    assert "anju migrate" in answer.json()["detail"]

    migrate(empty_database_url)
    assert httpx.get(f"{api.url}/readyz", timeout=patient(20)).status_code == 200

    with connect(empty_database_url, application_name="test") as connection:
        connection.execute("DELETE FROM schema_migrations WHERE version = '20261122000003'")
        connection.execute("DROP TABLE telemetry_camera CASCADE")
    reasons = httpx.get(f"{api.url}/readyz", timeout=patient(20)).json()["reasons"]
    assert reasons == ["migration 20261122000003 is missing", "table telemetry_camera is missing"]


def test_while_the_database_is_dead_the_api_says_so_and_afterwards_it_works_again(
    mortal_database: str, local_services: Any, start_api: Callable[[str], Any]
) -> None:
    api = start_api(mortal_database)
    api.get("/alerts").raise_for_status()
    local_services.postgres.kill()

    answer = api.get("/alerts")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["type"] == "database-unavailable"
    assert httpx.get(f"{api.url}/healthz", timeout=patient(20)).status_code == 200
    assert httpx.get(f"{api.url}/readyz", timeout=patient(20)).json()["reasons"] == ["the database does not answer"]
    assert "anju_database_up 0.0" in httpx.get(f"{api.url}/metrics", timeout=patient(20)).text

    local_services.postgres.start()
    eventually(lambda: api.get("/alerts").status_code == 200)
    assert httpx.get(f"{api.url}/readyz", timeout=patient(20)).status_code == 200


@pytest.mark.slow
def test_an_api_that_starts_before_its_database_waits_for_it(
    mortal_database: str, local_services: Any, start_api: Callable[[str], Any]
) -> None:
    as_role(mortal_database, Role.API)  # its login is made while the server runs
    local_services.postgres.kill()
    try:
        api = start_api(mortal_database)
        assert httpx.get(f"{api.url}/readyz", timeout=patient(20)).status_code == 503
    finally:
        local_services.postgres.start()
    eventually(lambda: api.get("/alerts").status_code == 200)


def test_metrics_count_requests_by_route_and_the_state_of_the_community(
    database_url: str, start_api: Callable[[str], Any], community_in: Callable[[str], Any]
) -> None:
    api = start_api(database_url)
    with community_in(database_url) as community:
        meter = community.device("meter", "electricity_meter")
        community.device("new", "water_meter")
        record_connections(community.connection, [ConnectionRow(meter, NOON, NOON, "online")])
        alert = community.alert(meter, severity="major")
        insert_notices(community.connection, [NewNotice(alert, "王经理/wecom", "raised", 1, "major", NOON)], NOON)
        count_failure(community.connection, "王经理/wecom", "HTTP 503")
        later = datetime.now(UTC) + timedelta(minutes=5)
        record_failed(community.connection, "王经理/wecom", [], "HTTP 503", later)
        community.connection.commit()
    for name in ("meter", "new", "absent"):
        api.get(f"/devices/{community.id}/{name}")
    api.get("/nowhere")
    window = {
        "kind": "electricity_meter",
        "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "reason": "换表",
    }
    api.client.post("/silences", json=window).raise_for_status()

    result = httpx.get(f"{api.url}/metrics", timeout=patient(20)).text.splitlines()

    route = 'method="GET",route="/api/v1/devices/{community}/{device}"'
    assert f'anju_http_requests_total{{{route},status="200"}} 2.0' in result
    assert f'anju_http_requests_total{{{route},status="404"}} 1.0' in result
    assert f"anju_http_request_seconds_count{{{route}}} 3.0" in result
    assert 'anju_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in result
    assert 'anju_open_alerts{severity="major"} 1.0' in result
    assert 'anju_open_alerts{severity="info"} 0.0' in result
    assert 'anju_suppressed_alerts{cause="maintenance"} 1.0' in result
    assert 'anju_suppressed_alerts{cause="shelved"} 0.0' in result
    assert 'anju_devices{state="reporting"} 0.0' in result
    assert 'anju_devices{state="silent"} 1.0' in result
    assert 'anju_devices{state="never_heard"} 1.0' in result
    assert 'anju_devices{state="out_of_service"} 0.0' in result
    assert 'anju_notices_total{kind="wecom",outcome="failed"} 1.0' in result
    assert "anju_notices_queued 1.0" in result
    # The notice is due, but its channel waits for a retry.
    assert "anju_notices_overdue_seconds 0.0" in result
    assert community.id not in "".join(result)
    assert "王经理" not in "".join(result)


def test_the_log_is_json_and_holds_neither_key_nor_query(api: Any) -> None:
    api.get("/devices", community="a-place-that-nobody-should-read")
    lines = [json.loads(line) for line in api.log().split("\n") if line]
    [request] = [line for line in lines if line.get("path") == "/api/v1/devices" and line["status"] == 200][-1:]
    assert request["method"] == "GET"
    assert request["milliseconds"] > 0
    assert api.key not in api.log()
    assert "a-place-that-nobody-should-read" not in api.log()
    assert "postgresql://" not in api.log()


def test_every_operation_is_described_with_its_errors(api: Any) -> None:
    document = httpx.get(f"{api.url}/openapi.json", timeout=patient(20)).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"]
            assert operation["tags"]
            if path.startswith("/api/v1") and (method, path) != ("post", "/api/v1/auth/token"):
                assert operation["security"] == [{"HTTPBearer": []}]
                assert {"401", "422", "503"} <= operation["responses"].keys()
                assert {"200", "201", "204"} & operation["responses"].keys()
            for status, answer in operation["responses"].items():
                if status == "304":
                    assert "content" not in answer
                elif status not in {"200", "201", "204"}:
                    assert list(answer["content"]) == ["application/problem+json"]


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@examples(150)
@given(data=st.data())
def test_the_response_to_any_request_is_described(api: Any, data: st.DataObject) -> None:
    paths = httpx.get(f"{api.url}/openapi.json", timeout=patient(20)).json()["paths"]
    path = data.draw(st.sampled_from([path for path in paths if path.startswith("/api/v1") and "stream" not in path]))
    method, operation = data.draw(st.sampled_from(list(paths[path].items())))
    places = {
        parameter["name"]: quote(data.draw(anything.filter(lambda text: text.strip("./"))), safe="")
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }
    optional = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    query = data.draw(st.dictionaries(st.sampled_from(optional), anything | st.integers().map(str))) if optional else {}
    answer = api.client.request(method, api.url + path.format(**places), params=query)
    assert str(answer.status_code) in operation["responses"]
    if answer.status_code not in {200, 201, 204}:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


def test_the_documentation_page_loads_nothing_from_other_hosts(api: Any) -> None:
    page = httpx.get(f"{api.url}/docs", timeout=patient(20)).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 2
    for source in sources:
        assert source.startswith("/")
        assert httpx.get(api.url + source, timeout=patient(20)).status_code == 200
