"""Schemathesis over the whole API: no answer is an error of the server, and each is as the document describes it.

`make api-laws` sends 500 requests to every operation.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import ApiSettings, create_app
from api.auth import make_seal
from app.rule_files import rules_folder
from laws import examples
from patience import patient
from rules.language.reload import RuleFolder
from store.database import Database

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
STREAM = "/api/v1/alerts/stream"


def _document() -> dict[str, Any]:
    """Return the OpenAPI document of this version; no database is needed for it."""
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    try:
        rules = RuleFolder(rules_folder(None))
        settings = ApiSettings(api_key="a-key-of-the-document", seal=make_seal(b"key"), version="1", rules=rules)
        return create_app(database, settings).openapi()
    finally:
        database.close()


OPERATIONS = {
    result.ok().label: result.ok() for result in schemathesis.openapi.from_dict(_document()).get_all_operations()
}


class Known:
    """API over a database with a community, and the values that lead to what it holds."""

    def __init__(self, api: Any, community: Any) -> None:
        self.api = api
        device = community.device("meter", "electricity_meter")
        hourly = {NOON + timedelta(hours=n): {"energy_kwh": float(n)} for n in range(9)}
        community.readings("electricity_meter", device, hourly)
        community.event(device, NOON, "cover_opened", "e1")
        community.alert(device)
        alert = str(community.alert(device, severity="critical"))
        window = {"kind": "water_meter", "ends_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "reason": "x"}
        silence = api.client.post("/silences", json=window).raise_for_status().json()["id"]
        exchange = {"old_register": 8.0, "at": NOON.isoformat()}
        base = f"/devices/{community.id}/meter/replacement"
        replacement = api.client.post(base, json=exchange).raise_for_status().json()["id"]
        entry = {"communities": [community.id], "person": "王师傅", "ends_at": window["ends_at"]}
        shift = api.client.post("/duty", json=entry).raise_for_status().json()["items"][0]["id"]
        self.values = {
            "community": community.id, "device": "meter", "alert_id": alert, "silence_id": silence,
            "replacement_id": replacement, "alerts": [alert], "communities": [community.id], "shift_id": shift,
        }  # fmt: skip


@pytest.fixture(scope="module")
def known(
    new_database: Callable[[], AbstractContextManager[str]],
    community_in: Callable[[str], AbstractContextManager[Any]],
    server_class: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Known]:
    with new_database() as url, community_in(url) as community:
        server = server_class(url, tmp_path_factory.mktemp("schema") / "log", limits={"rate": 100_000})
        yield Known(server, community)
        server.stop()


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_described_and_none_is_an_error_of_the_server(known: Known, label: str) -> None:
    operation = OPERATIONS[label]
    cases = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)

    @examples(50, suppress_health_check=list(HealthCheck))
    @given(case=cases, leads_somewhere=st.booleans())
    def check(case: Case, *, leads_somewhere: bool) -> None:
        if leads_somewhere:
            _lead(case, known.values)
        key = {"Authorization": f"Bearer {known.api.key}"}
        if operation.path == STREAM:
            _check_head_of_stream(case, known.api.url, key)
        else:
            case.call_and_validate(base_url=known.api.url, headers=key, checks=CHECKS, timeout=patient(60))

    check()
    assert httpx.get(f"{known.api.url}/healthz", timeout=patient(20)).status_code == 200


def _lead(case: Case, values: dict[str, Any]) -> None:
    """Put known values into a case, so that it gets further than to an object that does not exist."""
    for parts in (case.path_parameters, case.query, case.body):
        if isinstance(parts, dict):
            parts |= {name: value for name, value in values.items() if name in parts}


def _check_head_of_stream(case: Case, url: str, key: dict[str, str]) -> None:
    arguments = case.as_transport_kwargs(base_url=url)
    arguments["headers"].update(key)
    with requests.request(**arguments, stream=True, timeout=patient(60)) as response:
        assert response.status_code in {200, 422}
        kind = "text/event-stream" if response.status_code == 200 else "application/problem+json"
        assert response.headers["Content-Type"].startswith(kind)
