"""Photos of alerts over the API: who adds, reads and removes them, and how they are served."""

import hashlib
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from accounts.principal import Role
from handling.attachments import MOST_PHOTOS
from handling.photos import LARGEST_BYTES
from logged_in import logged_in
from running import query as ask

UUID = "00000000-0000-4000-8000-000000000000"


def photo(color: str = "red", form: str = "JPEG") -> bytes:
    output = io.BytesIO()
    exif = Image.Exif()
    exif[0x0110] = "phone of a manager"
    Image.new("RGB", (60, 40), color).save(output, form, exif=exif.tobytes())
    return output.getvalue()


def add(client: Any, alert: Any, data: bytes, key: str | None = None, **fields: str) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    files = {"file": ("../../etc/passwd.html", data, "text/html")}
    answer: httpx.Response = client.post(f"/alerts/{alert}/attachments", files=files, data=fields, headers=headers)
    return answer


@pytest.fixture
def alert(community: Any) -> Any:
    device = community.device("w1", "water_meter", building="3", unit="2", room="501")
    return community.alert(device, kind="water_meter")


def test_a_photo_is_kept_without_metadata_and_served_as_a_file(api: Any, alert: Any) -> None:
    data = photo()
    added = add(api.client, alert, data, caption="漏水点", by="王师傅").raise_for_status().json()
    assert (added["width"], added["height"], added["caption"], added["actor"]) == (60, 40, "漏水点", "王师傅")
    assert added["received_sha256"] == hashlib.sha256(data).hexdigest()
    served = api.client.get(f"/alerts/{alert}/attachments/{added['id']}/content")
    assert served.headers["Content-Type"] == "image/jpeg"
    assert served.headers["Content-Disposition"] == f'attachment; filename="{added["id"]}.jpg"'
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert served.headers["Cache-Control"] == "no-store"
    assert served.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert hashlib.sha256(served.content).hexdigest() == added["sha256"]
    assert len(served.content) == added["bytes"]
    assert b"phone of a manager" not in served.content
    assert [each["id"] for each in api.items(f"/alerts/{alert}/attachments")] == [added["id"]]


def test_a_photo_is_a_step_of_the_alert_and_in_the_audit_log(api: Any, alert: Any) -> None:
    added = add(api.client, alert, photo(), caption="漏水点", by="王师傅").json()
    path = f"/alerts/{alert}/attachments/{added['id']}"
    api.client.get(f"{path}/content").raise_for_status()
    api.client.post(f"{path}/remove", json={"by": "李师傅"}).raise_for_status()
    steps = api.get(f"/alerts/{alert}").json()["transitions"][1:]
    assert [(each["act_zh"], each["actor"], each["comment"]) for each in steps] == [
        ("添加照片", "王师傅", "漏水点"), ("删除照片", "李师傅", None),
    ]  # fmt: skip
    assert steps[0]["inputs"] == {"attachment": added["id"]}
    changes = api.items("/audit", subject="attachment", subject_id=added["id"])
    assert [(each["action"], each["person"]) for each in changes] == [("remove", "李师傅"), ("create", "王师傅")]
    assert changes[1]["after"]["sha256"] == added["sha256"]
    assert len(api.items("/audit", subject="attachment", subject_id=added["id"], reads=True)) == 1


def test_a_removed_photo_is_gone_and_its_hash_stays(api: Any, api_database: str, alert: Any) -> None:
    added = add(api.client, alert, photo(), caption="有人脸").json()
    path = f"/alerts/{alert}/attachments/{added['id']}"
    removed = api.client.post(f"{path}/remove", headers={"Idempotency-Key": f"r{added['id']}"}).json()
    assert (removed["removed_by"], removed["caption"], removed["sha256"]) == ("api", "", added["sha256"])
    assert ask(api_database, "SELECT content FROM attachment WHERE id = %s", added["id"]) == [(None,)]
    assert api.client.get(f"{path}/content").status_code == 404
    assert api.client.post(f"{path}/remove").status_code == 409
    again = api.client.post(f"{path}/remove", headers={"Idempotency-Key": f"r{added['id']}"})
    assert again.json() == removed


def test_the_same_photo_is_added_once(api: Any, alert: Any) -> None:
    key = f"k{alert}"
    first = add(api.client, alert, photo(), key).json()
    assert add(api.client, alert, photo(), key).json() == first
    assert add(api.client, alert, photo()).json() == first
    assert add(api.client, alert, photo("blue")).json()["id"] != first["id"]
    assert len(api.items(f"/alerts/{alert}/attachments")) == 2


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (b"", 422, "空"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "JPEG"), (photo()[:-30], 422, "损坏"),
        (b"\xff\xd8" + b"x" * (LARGEST_BYTES - 2), 422, "JPEG"), (b"\xff\xd8" + b"x" * LARGEST_BYTES, 413, "8192"),
        (b"x" * (LARGEST_BYTES + 2**20), 413, "8256"),
    ],
    ids=["empty", "svg", "cut", "largest", "too large", "far too large"],
)  # fmt: skip
def test_what_is_no_photo_is_refused_in_words(api: Any, alert: Any, data: bytes, status: int, word: str) -> None:
    refused = add(api.client, alert, data)
    assert (refused.status_code, word in refused.json()["detail_zh"]) == (status, True), refused.text
    assert api.items(f"/alerts/{alert}/attachments") == []


def test_a_request_without_a_photo_or_with_hidden_characters_is_refused(api: Any, alert: Any) -> None:
    assert api.client.post(f"/alerts/{alert}/attachments", data={"caption": "x"}).status_code == 422
    assert api.client.post(f"/alerts/{alert}/attachments", json={"file": "x"}).status_code == 422
    assert add(api.client, alert, photo(), caption="a\u202eb").status_code == 422
    assert add(api.client, alert, photo(), by="x" * 101).status_code == 422
    assert add(api.client, UUID, photo()).status_code == 404
    assert api.client.get(f"/alerts/{alert}/attachments/{UUID}/content").status_code == 404


def test_an_alert_has_a_bounded_number_of_photos(api: Any, api_database: str, alert: Any) -> None:
    add(api.client, alert, photo()).raise_for_status()
    ask(
        api_database,
        """
        INSERT INTO attachment SELECT gen_random_uuid(), alert_id, content, width, height, bytes, sha256,
               md5(n::text) || md5(n::text), caption, actor, added_at
        FROM attachment, generate_series(2, %s) AS n WHERE alert_id = %s RETURNING id
        """,
        MOST_PHOTOS,
        alert,
    )
    refused = add(api.client, alert, photo("blue"))
    assert (refused.status_code, "20 张照片" in refused.json()["detail_zh"]) == (409, True)


def test_photos_of_another_company_are_unknown(api: Any, api_database: str, alert: Any, make_community: Any) -> None:
    added = add(api.client, alert, photo()).json()
    with make_community() as other, logged_in(api.url, api_database, Role.PROPERTY, f"community:{other.id}") as client:
        own = other.alert()
        for method, path in (("GET", ""), ("GET", f"/{added['id']}/content"), ("POST", f"/{added['id']}/remove")):
            foreign = client.request(method, f"/alerts/{alert}/attachments{path}")
            unknown = client.request(method, f"/alerts/{UUID}/attachments{path}")
            assert (foreign.status_code, foreign.json()) == (404, unknown.json()), path
            if path:
                assert client.request(method, f"/alerts/{own}/attachments{path}").status_code == 404
        assert add(client, alert, photo()).status_code == 404
        mine = add(client, own, photo()).raise_for_status().json()
        assert mine["actor"] == "王经理"
        assert add(client, own, photo("blue"), by="别人").status_code == 422
