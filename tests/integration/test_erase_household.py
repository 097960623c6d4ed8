"""The erasure and the withdrawal of a household reach its contacts and the photos of its alerts, and no others."""

import io
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from PIL import Image

from cli import invoke
from devices.seal import Seal
from handling.attachments import Upload, add_photo
from handling.contacts import Contacts, NewContact
from handling.photos import read_photo
from handling.signature import Signature
from imports.importer import import_rows
from store.alerts.alerts import NewAlert, raise_alert
from store.alerts.transitions import alert_lock
from store.registry.withdraw import withdraw_household

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
PLACES = [{"community": "yg", "building": "3", "unit": "2", "room": room} for room in ("501", "502", "503")]
AUTHOR = Signature("wang", "王经理", "王经理")


def photo():
    output = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(output, "PNG")
    return Upload(read_photo(output.getvalue()), "漏水点")


@pytest.fixture
def flats(connection):
    """A community of three flats, each with a contact; two of them with an alert and its photo."""
    site = {"community": "yg", "name": "阳光小区", "banner": "东胜区", "street": "天骄街道"}
    meters = [{**place, "device": f"w{place['room']}", "kind": "water_meter"} for place in PLACES[:2]]
    import_rows(connection, [site], PLACES, meters)
    contacts = Contacts(connection, Seal(b"a secret key of the tests"), AUTHOR, NOW)
    for place in PLACES:
        contacts.save(NewContact(**place, name="张三", role="业主", phone="13812345678"))
    for (device,) in connection.execute("SELECT id FROM device").fetchall():
        alert = NewAlert(
            id=uuid4(), rule="leak", rule_version="v1", device_id=device, sequence=1, community="yg",
            kind="water_meter", severity="warning", title="漏水", message="m", advice="a", opened_at=NOW, raised_at=NOW,
            simulated=False,
        )  # fmt: skip
        with alert_lock(connection) as locked:
            raise_alert(locked, alert)
        add_photo(connection, UUID(str(alert.id)), photo(), AUTHOR, now=NOW)
    connection.commit()


def photos(connection):
    return dict(
        connection.execute(
            """
            SELECT device.room, attachment.content IS NOT NULL
            FROM attachment JOIN alert ON alert.id = alert_id JOIN device ON device.id = alert.device_id
            """
        ).fetchall()
    )


def rooms(connection):
    return [room for (room,) in connection.execute("SELECT room FROM contact ORDER BY room")]


@pytest.mark.usefixtures("flats")
def test_an_erased_household_has_no_contact_and_no_photo(connection, database_url, tmp_path):
    arguments = ("erase", "--household", "yg/3/2/501", "--json")
    found = json.loads(invoke(*arguments, cwd=tmp_path, ANJU_DATABASE_URL=database_url).stdout)
    assert (found["found"]["contact"], found["found"]["attachment"]) == (1, 1)
    assert (rooms(connection), photos(connection)) == (["501", "502", "503"], {"501": True, "502": True})
    connection.commit()
    done = json.loads(invoke(*arguments, "--yes", cwd=tmp_path, ANJU_DATABASE_URL=database_url).stdout)
    assert (done["erased"]["contact"], done["erased"]["attachment"]) == (1, 1)
    assert (rooms(connection), photos(connection)) == (["502", "503"], {"501": False, "502": True})
    row = connection.execute("SELECT caption, removed_by FROM attachment WHERE content IS NULL").fetchall()
    assert row == [("", "anju erase")]


@pytest.mark.usefixtures("flats")
def test_a_withdrawn_household_has_no_contact(connection):
    withdraw_household(connection, ("yg", "3", "2", "503"), NOW)
    assert rooms(connection) == ["501", "502"]
