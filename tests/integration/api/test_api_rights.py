"""Every route of the API by every role, from outside; and two property companies side by side."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from accounts.principal import Role
from accounts.rights import RIGHTS
from logged_in import logged_in
from patience import patient
from running import query as ask

UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def clients(api: Any, api_database: str) -> Iterator[dict[Role, httpx.Client]]:
    """A client of each role, for the whole city."""
    with ExitStack() as stack:
        yield {role: stack.enter_context(logged_in(api.url, api_database, role)) for role in Role}


def routes(api: Any) -> list[tuple[str, str, str]]:
    """Return method, path and name of every route below the prefix, but for the login."""
    document = httpx.get(f"{api.url}/openapi.json", timeout=patient(20)).json()
    return [
        (method.upper(), path, operation["operationId"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/api/v1") and operation["operationId"] != "create_token"
    ]


def test_every_role_is_let_into_its_routes_and_into_no_other(api: Any, clients: dict[Role, httpx.Client]) -> None:
    walked = [each for each in routes(api) if each[2] not in {"end_token", "sign_out"}]
    assert {name for *_, name in routes(api)} == RIGHTS.keys()
    for role, client in clients.items():
        for method, path, name in walked:
            filled = re.sub(r"\{(\w+)\}", lambda match: UUID if match[1].endswith("_id") else "x", path)
            # What lacks its body or its object goes no further, but its right is checked first.
            with client.stream(method, api.url + filled) as answer:
                refused = answer.status_code == 403 and b"\xe8\xa7\x92\xe8\x89\xb2" in answer.read()
            assert refused is (role not in RIGHTS[name]), (role, method, path, answer.status_code)


@pytest.fixture
def neighbours(api: Any, api_database: str, make_community: Any) -> Iterator[tuple[Any, Any, httpx.Client]]:
    """Communities of two property companies, each with a device, a window and an alert; and a client of the second."""
    with make_community() as ours, make_community() as theirs:
        for community in (ours, theirs):
            device = community.device("w1", "water_meter", building="3", unit="2", room="501")
            community.alert(device, kind="water_meter")
        with logged_in(api.url, api_database, Role.PROPERTY, f"community:{ours.id}") as client:
            yield ours, theirs, client


def pages(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (
            client.get(path, params={"limit": 1000, **({"cursor": cursor} if cursor else {})}).raise_for_status().json()
        )
        items += page["items"]
        cursor = page["next_cursor"]
    return items


def test_every_list_holds_the_own_community_alone(api: Any, neighbours: Any) -> None:
    ours, theirs, client = neighbours
    for path in ("/communities", "/devices", "/alerts", "/silences", "/bad-actors", "/witnessed-tests", "/duty"):
        assert theirs.id not in str(pages(client, path)), path
    assert [each["id"] for each in pages(client, "/communities")] == [ours.id]
    assert {each["community"] for each in pages(client, "/alerts")} == {ours.id}
    assert len(pages(client, "/devices")) == 1


def test_every_object_of_another_is_unknown(api: Any, api_database: str, neighbours: Any) -> None:
    ours, theirs, client = neighbours
    alert, own = (
        ask(api_database, "SELECT id FROM alert WHERE community = %s", community.id)[0][0]
        for community in (theirs, ours)
    )
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    window = {"community": theirs.id, "kind": "water_meter", "reason": "检修", "ends_at": ends_at}
    silence = api.client.post("/silences", json=window).json()["id"]
    asked = [
        ("GET", "/communities/{}", theirs.id, "nowhere"), ("GET", "/devices/{}/w1", theirs.id, "nowhere"),
        ("GET", "/devices/{}/w1/telemetry", theirs.id, "nowhere"),
        ("GET", "/devices/{}/w1/events", theirs.id, "nowhere"),
        ("GET", "/devices/{}/w1/rejections", theirs.id, "nowhere"),
        ("GET", "/devices/{}/w1/replacement", theirs.id, "nowhere"),
        ("GET", "/alerts/{}", alert, UUID), ("GET", "/alerts/{}/notices", alert, UUID),
        ("POST", "/alerts/{}/acknowledge", alert, UUID), ("POST", "/alerts/{}/resolve", alert, UUID),
        ("POST", "/alerts/{}/close", alert, UUID), ("POST", "/alerts/{}/start", alert, UUID),
        ("POST", "/alerts/{}/unshelve", alert, UUID),
        ("GET", "/silences/{}", silence, UUID), ("POST", "/silences/{}/end", silence, UUID),
    ]  # fmt: skip
    for method, path, known, unknown in asked:
        of_others, of_nobody = (client.request(method, path.format(each)) for each in (known, unknown))
        assert (of_others.status_code, of_others.json()) == (404, of_nobody.json()), path
    for body in (window, {**window, "device": "w1"}):
        refused = [client.post("/silences", json={**body, "community": each}) for each in (theirs.id, "nowhere")]
        assert [each.status_code for each in refused] == [422, 422]
        assert refused[0].text.replace(theirs.id, "nowhere") == refused[1].text
    assert (
        client.post("/silences", json={"kind": "water_meter", "reason": "全市", "ends_at": ends_at}).status_code == 422
    )
    assert client.post(f"/alerts/{own}/acknowledge").status_code == 200
    row = ask(api_database, "SELECT attention FROM alert WHERE id = %s", alert)
    assert row == [("unacknowledged",)]


def test_a_stream_tells_of_the_own_community_alone(api: Any, neighbours: Any) -> None:
    ours, theirs, client = neighbours
    with client.stream("GET", "/alerts/stream", timeout=patient(40)) as stream:
        lines = stream.iter_lines()
        next(lines)
        theirs.alert()
        own = ours.alert()
        heard = []
        for line in lines:
            if line.startswith("data:"):
                heard.append(line)
                if str(own) in line:
                    break
    assert theirs.id not in "".join(heard)
    assert len(heard) == 1


def test_a_key_of_fewer_communities_opens_no_more(api: Any, api_database: str, make_community: Any) -> None:
    with (
        make_community() as one,
        make_community() as two,
        logged_in(api.url, api_database, Role.PROPERTY, f"community:{one.id}") as client,
    ):
        for scope in ([f"community:{one.id}"], ["all"], [f"community:{two.id}", f"community:{one.id}"], None):
            key = client.post("/keys", json={"name": "看板", "scope": scope}).raise_for_status().json()["key"]
            listed = httpx.get(f"{api.url}/api/v1/communities", headers={"Authorization": f"Bearer {key}"}, timeout=20)
            assert [each["id"] for each in listed.json()["items"]] == [one.id], scope


def test_a_street_sees_its_communities_and_a_banner_those_of_its_streets(
    api: Any, api_database: str, make_community: Any
) -> None:
    with make_community() as one, make_community() as two:
        place = "UPDATE community SET banner = %s, street = %s WHERE id = %s RETURNING id"
        ask(api_database, place, "旗甲", "街道一", one.id)
        ask(api_database, place, "旗甲", "街道二", two.id)
        for scope, seen in (
            (("street:旗甲/街道一",), {one.id}), (("banner:旗甲",), {one.id, two.id}), (("street:旗乙/街道一",), set()),
            (("street:旗甲/街道二", f"community:{one.id}"), {one.id, two.id}),
        ):  # fmt: skip
            with logged_in(api.url, api_database, Role.STREET, *scope) as client:
                assert {each["id"] for each in pages(client, "/communities")} == seen
        ask(api_database, place, "旗甲", "街道一", two.id)
        with logged_in(api.url, api_database, Role.STREET, "street:旗甲/街道一") as client:
            assert {each["id"] for each in pages(client, "/communities")} == {one.id, two.id}


def test_answers_about_others_take_no_longer_than_about_nobody(api: Any, neighbours: Any) -> None:
    _, theirs, client = neighbours

    def seconds(path: str) -> float:
        return min((client.get(path).elapsed for _ in range(15)), default=timedelta(0)).total_seconds()

    known, unknown = seconds(f"/devices/{theirs.id}/w1"), seconds("/devices/nowhere/w1")
    assert 0.3 < known / unknown < 3
