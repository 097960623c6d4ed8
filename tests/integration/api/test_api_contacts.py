"""Contacts over the API: sealed in the database, seen by property companies and administrators, every read recorded."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from accounts.login import SEAL_PURPOSE as FACTORS
from accounts.principal import Role
from api.resealing import reseal
from database_roles import as_role
from devices.seal import Seal
from handling.contacts import reseal_contacts
from logged_in import add_test_account, logged_in
from running import query as ask
from store.admin.roles import Role as DatabaseRole
from store.database import Database, connect
from store.registry.contacts import SEAL_PURPOSE, ContactRow, store_contacts
from store.registry.upsert import TableRows

KEY = b"a secret key of the tests"  # that of the server
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def flat(community: Any) -> dict[str, str]:
    """Return the place of a household of the community."""
    place = {"community": community.id, "building": "3", "unit": "2", "room": "501"}
    community.register(households=TableRows(tuple(place), [tuple(place.values())]))
    return place


def save(client: Any, key: str | None = None, **entry: str) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    answer: httpx.Response = client.post("/contacts", json=entry, headers=headers)
    return answer


def owner_of(flat: dict[str, str], **more: str) -> dict[str, str]:
    return {**flat, "name": "张三", "role": "业主", "phone": "138 1234 5678", **more}


def test_a_contact_is_set_read_changed_and_removed(api: Any, flat: dict[str, str]) -> None:
    made = save(api.client, **owner_of(flat), by="王师傅").raise_for_status().json()
    assert (made["phone"], made["changed_by"]) == ("13812345678", "王师傅")
    changed = save(api.client, **owner_of(flat, phone="0477-8581234", role="租户")).json()
    assert (changed["id"], changed["phone"], changed["role"]) == (made["id"], "04778581234", "租户")
    assert api.items("/contacts", community=flat["community"]) == [changed]
    removed = api.client.post(f"/contacts/{made['id']}/remove", headers={"Idempotency-Key": f"x{made['id']}"})
    assert removed.json() == {"id": made["id"]}
    again = api.client.post(f"/contacts/{made['id']}/remove", headers={"Idempotency-Key": f"x{made['id']}"})
    assert again.status_code == 200
    assert api.client.post(f"/contacts/{made['id']}/remove").status_code == 404
    assert api.items("/contacts", community=flat["community"]) == []


def test_no_number_lies_in_the_database_or_the_log(api: Any, api_database: str, flat: dict[str, str]) -> None:
    contact = save(api.client, **owner_of(flat, phone="13987654321")).json()
    api.items("/contacts", community=flat["community"])
    [(row,)] = ask(api_database, "SELECT contact::text FROM contact WHERE id = %s", contact["id"])
    assert b"13987654321".hex() not in row
    logged = ask(api_database, "SELECT audit_log::text FROM audit_log WHERE subject = 'contact'")
    assert [text for (text,) in logged if "13987654321" in text or "张三" in text] == []
    assert "13987654321" not in api.log()


def test_every_read_is_recorded(api: Any, community: Any, flat: dict[str, str]) -> None:
    save(api.client, **owner_of(flat)).raise_for_status()
    device = community.device("w1", "water_meter", building="3", unit="2", room="501")
    alert = community.alert(device, kind="water_meter")
    place = "/".join(flat.values())
    api.get("/contacts", **flat).raise_for_status()
    api.get(f"/alerts/{alert}/contacts").raise_for_status()
    reads = api.items("/audit", reads=True, subject="contact", subject_id=place)
    assert [each["after"] for each in reads] == [{"alert": str(alert)}, {}]
    api.get("/contacts", community=community.id)
    assert len(api.items("/audit", reads=True, subject="contact", subject_id=community.id)) == 1


def test_an_alert_names_its_household_first_and_the_contractors_of_its_kind(
    api: Any, community: Any, flat: dict[str, str]
) -> None:
    at = {"community": community.id}
    for entry in (
        {**at, "company": "电梯公司", "kind": "camera", "name": "远", "phone": "95598"},
        {**at, "company": "水表厂", "kind": "water_meter", "name": "近", "phone": "4008101234"},
        {**at, "company": "物业维修", "name": "全", "phone": "8581234"}, owner_of(flat),
    ):  # fmt: skip
        save(api.client, **entry).raise_for_status()
    device = community.device("w1", "water_meter", building="3", unit="2", room="501")
    path = f"/alerts/{community.alert(device, kind='water_meter')}/contacts"
    assert [each["name"] for each in api.items(path)] == ["张三", "近", "全"]
    of_community = f"/alerts/{community.alert(kind='camera')}/contacts"
    assert [each["name"] for each in api.items(of_community)] == ["远", "全"]
    assert api.items(f"/alerts/{community.alert(community=None)}/contacts") == []
    listed = api.items("/contacts", **at, of_household=False, limit=2)
    assert sorted(each["name"] for each in listed) == sorted(["远", "近", "全"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"phone": "123"}, "电话号码"), ({"room": "999"}, "没有登记"), ({"community": "nowhere"}, "没有小区"),
        ({"company": "电梯公司"}, "只能填一个"), ({"room": ""}, "只能填一个"), ({"name": ""}, "至少"),
        ({"kind": "water_meter"}, "维修单位"), ({"kind": "lift"}, "没有设备类型"), ({"role": "x" * 101}, "最多"),
        ({"name": "张\u202e三"}, "不可见"),
    ],
)  # fmt: skip
def test_a_contact_that_can_not_be_is_refused_in_words(
    api: Any, flat: dict[str, str], change: dict[str, str], word: str
) -> None:
    refused = save(api.client, **owner_of(flat, **change))
    assert refused.status_code == 422
    assert word in refused.json()["detail_zh"], refused.text
    assert "138" not in refused.text


def test_a_repeated_request_adds_one(api: Any, flat: dict[str, str]) -> None:
    key = f"k{uuid4()}"
    first, again = (save(api.client, key, **owner_of(flat)).json() for _ in range(2))
    assert first == again


@pytest.mark.parametrize("role", [Role.STREET, Role.BUREAU, Role.UTILITY, Role.DEVELOPER])
def test_no_other_role_sees_or_changes_a_contact(api: Any, api_database: str, flat: dict[str, str], role: Role) -> None:
    contact = save(api.client, **owner_of(flat)).json()
    with logged_in(api.url, api_database, role) as client:
        for answer in (
            client.get("/contacts"), client.get(f"/alerts/{NOBODY}/contacts"), save(client, **owner_of(flat)),
            client.post(f"/contacts/{contact['id']}/remove"),
        ):  # fmt: skip
            assert answer.status_code == 403


def test_another_company_neither_sees_nor_finds_them(
    api: Any, api_database: str, flat: dict[str, str], make_community: Any
) -> None:
    contact = save(api.client, **owner_of(flat)).json()
    with make_community() as other, logged_in(api.url, api_database, Role.PROPERTY, f"community:{other.id}") as client:
        assert client.get("/contacts").json()["items"] == []
        assert client.get("/contacts", params={"community": flat["community"]}).json()["items"] == []
        foreign, unknown = (client.post(f"/contacts/{each}/remove") for each in (contact["id"], NOBODY))
        assert (foreign.status_code, foreign.json()) == (404, unknown.json())
        refused = [save(client, **owner_of(flat, community=each)) for each in (flat["community"], "nowhere")]
        assert refused[0].text.replace(flat["community"], "nowhere") == refused[1].text


def test_a_new_secret_key_seals_them_anew_and_a_lost_one_leaves_the_rest_readable(
    api: Any, api_database: str, community: Any, flat: dict[str, str]
) -> None:
    old, lost = Seal(b"the key before that one"), Seal(b"a key that nobody knows")
    ids = {seal: uuid4() for seal in (old, lost)}
    for seal, identifier in ids.items():
        sealed = seal.of(SEAL_PURPOSE).seal(str(identifier), b"13812345678")
        row = ContactRow(
            **flat, id=identifier, name=str(identifier), phone=sealed, changed_at=community_clock(api_database),
            changed_by="a",
        )  # fmt: skip
        store_contacts(community.connection, [row])
    community.connection.commit()
    with connect(api_database, application_name="test") as connection:
        assert reseal_contacts(connection, Seal(KEY, b"the key before that one")) == 1
        assert reseal_contacts(connection, Seal(KEY, b"the key before that one")) == 0
    found = {UUID(each["id"]): each["phone"] for each in api.items("/contacts", **flat)}
    assert (found[ids[old]], found[ids[lost]]) == ("13812345678", None)


def community_clock(database_url: str) -> Any:
    return ask(database_url, "SELECT now()")[0][0]


def test_the_api_seals_them_anew_by_itself(api_database: str, community: Any) -> None:
    old, identifier = Seal(b"a key of long ago").of(SEAL_PURPOSE), uuid4()
    row = ContactRow(
        id=identifier, community=community.id, company="电梯公司", name="a",
        phone=old.seal(str(identifier), b"95598"), changed_at=community_clock(api_database), changed_by="a",
    )  # fmt: skip
    store_contacts(community.connection, [row])
    community.connection.commit()
    database = Database(as_role(api_database, DatabaseRole.API), application_name="test", max_size=1)
    asyncio.run(reseal(database, Seal(KEY, b"a key of long ago", purpose=FACTORS)))
    database.close()
    [(sealed,)] = ask(api_database, "SELECT phone FROM contact WHERE id = %s", identifier)
    assert Seal(KEY).of(SEAL_PURPOSE).open(str(identifier), sealed) == b"95598"


def test_secrets_of_second_factors_are_sealed_anew_too(api_database: str) -> None:
    old = Seal(b"a key of long ago", purpose=FACTORS)
    account = add_test_account(api_database, Role.ADMIN)
    set_secret = "UPDATE account SET totp_secret = %s WHERE name = %s RETURNING id"
    ask(api_database, set_secret, old.seal(account.name, b"secret"), account.name)
    database = Database(as_role(api_database, DatabaseRole.API), application_name="test", max_size=1)
    asyncio.run(reseal(database, Seal(KEY, b"a key of long ago", purpose=FACTORS)))
    database.close()
    [(sealed,)] = ask(api_database, "SELECT totp_secret FROM account WHERE name = %s", account.name)
    assert Seal(KEY, purpose=FACTORS).open(account.name, sealed) == b"secret"
