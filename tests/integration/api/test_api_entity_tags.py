"""Clients that poll: an unchanged answer is 304, and no account gets what another one has."""

from typing import Any

import pytest

from accounts.principal import Role
from logged_in import logged_in


@pytest.fixture
def polled(community: Any) -> list[str]:
    device = community.device("w1", "water_meter", building="3", unit="2", room="501")
    alert = community.alert(device, kind="water_meter")
    return [
        "/communities", f"/communities/{community.id}", f"/devices?community={community.id}",
        f"/devices/{community.id}/w1", f"/alerts?community={community.id}", f"/alerts/{alert}",
        f"/alerts/{alert}/notices", f"/silences?community={community.id}", "/rules",
    ]  # fmt: skip


def test_an_unchanged_answer_is_304_and_a_changed_one_comes_whole(api: Any, community: Any, polled: list[str]) -> None:
    for path in polled:
        first = api.client.get(path)
        again = api.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (first.headers["Cache-Control"], first.headers["Vary"]) == ("no-store", "Authorization, Cookie")
    alerts = f"/alerts?community={community.id}"
    tag = api.client.get(alerts).headers["ETag"]
    community.alert()
    assert api.client.get(alerts, headers={"If-None-Match": tag}).status_code == 200


def test_each_account_has_answers_and_tags_of_its_own(api: Any, api_database: str, community: Any) -> None:
    community.alert()
    with logged_in(api.url, api_database, Role.PROPERTY, "community:elsewhere") as other:
        all_alerts = api.client.get("/alerts").headers["ETag"]
        answer = other.get("/alerts", headers={"If-None-Match": all_alerts})
        assert (answer.status_code, answer.json()["items"]) == (200, [])
        refused = other.get(f"/communities/{community.id}", headers={"If-None-Match": "*"})
        assert refused.status_code == 404


def test_a_role_that_may_not_read_gets_no_304(api: Any, api_database: str, community: Any) -> None:
    alert = community.alert()
    tag = api.client.get(f"/alerts/{alert}").headers["ETag"]
    with logged_in(api.url, api_database, Role.BUREAU) as bureau:
        assert bureau.get(f"/alerts/{alert}", headers={"If-None-Match": tag}).status_code == 403


def test_an_unchanged_read_of_a_flat_is_recorded_all_the_same(api: Any, community: Any) -> None:
    community.device("w1", "water_meter", building="3", unit="2", room="501")
    path = f"/devices/{community.id}/w1"
    tag = api.client.get(path).headers["ETag"]
    assert api.client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert len(api.items("/audit", reads=True, subject="device", subject_id=f"{community.id}/w1")) == 2
