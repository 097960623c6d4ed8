"""Plates and door users leave the decoder as hash and mask only, wherever a device puts them."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder_laws import ALONE, CHILDREN, COMMUNITY, GATEWAY, NOW, NOW_MS, PERSONAL, REGISTRY, topic_of
from devices.catalogue import KIND_BY_NAME
from devices.kind import Identity
from devices.payload import Rejection, decode
from devices.privacy import PROVINCES, Pseudonymiser, mask
from devices.topic import Channel
from person_everywhere import messages_with

KEY, EARLIER = b"the key of these tests", b"the key before that one"
PSEUDONYMISER = Pseudonymiser(KEY, EARLIER)
LETTERS = [letter for letter in string.ascii_uppercase if letter not in "IO"]
SERIAL = st.sampled_from([*LETTERS, *string.digits])
REGION = st.tuples(st.sampled_from(PROVINCES), st.sampled_from(LETTERS)).map("".join)
FORMS = {
    "blue": (st.text(SERIAL, min_size=5, max_size=5), ""),
    "new energy, small": (st.tuples(st.sampled_from("DABCEFGHJK"), st.text(SERIAL, min_size=5, max_size=5)), ""),
    "new energy, large": (st.tuples(st.text(string.digits, min_size=5, max_size=5), st.sampled_from("DF")), ""),
    **{f"special {last}": (st.text(SERIAL, min_size=4, max_size=4), last) for last in "警学挂港澳领试"},
}
PLATES = st.one_of(
    *(st.tuples(REGION, serial.map("".join), st.just(last)).map("".join) for serial, last in FORMS.values()),
    st.tuples(st.just("使"), st.text(string.digits, min_size=6, max_size=6)).map("".join),
    st.from_regex(r"[A-Z]{2} [0-9]{4}", fullmatch=True),
)
USERS = st.one_of(
    st.from_regex(r"u-[0-9]{6}", fullmatch=True),
    st.text(string.ascii_lowercase, min_size=8, max_size=12),
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=3, max_size=4),
    st.integers(10**7, 10**11).map(str),
)
PERSONS = PLATES | USERS


@given(PLATES)
def test_a_mask_of_a_plate_stands_for_ten_thousand_plates_of_its_form(plate):
    shown = mask(Identity.PLATE, plate)
    hidden = [at for at, character in enumerate(shown) if character == "*"]
    assert shown == "***" or len(hidden) >= 4
    canonical = plate.replace(" ", "")
    alike = {mask(Identity.PLATE, canonical[: -1 - 4] + f"{n:04}" + canonical[-1]) for n in range(0, 10_000, 7)}
    assert alike == {shown} or shown == "***" or len(canonical) == 8


@pytest.mark.parametrize(
    ("identity", "value", "shown"),
    [
        (Identity.PLATE, "蒙K·A1234", "蒙K·****4"),
        (Identity.PLATE, "蒙ka 1234", "蒙K·****4"),
        (Identity.PLATE, "蒙KD12345", "蒙K·*****5"),
        (Identity.PLATE, "蒙K12345F", "蒙K·*****F"),
        (Identity.PLATE, "蒙A1234警", "蒙A·****警"),
        (Identity.PLATE, "粤Z1234港", "粤Z·****港"),
        (Identity.PLATE, "使014578", "***"),
        (Identity.PLATE, "AB123", "***"),
        (Identity.PLATE, "蒙K1", "***"),
        (Identity.PLATE, "K", "***"),
        (Identity.PERSON, "王小明", "王**"),
        (Identity.PERSON, "阿不都·热合曼", "阿**"),
        (Identity.PERSON, "王1", "***"),
        (Identity.PERSON, "王", "***"),
        (Identity.PERSON, "1042", "***"),
        (Identity.PERSON, "7", "***"),
        (Identity.PERSON, "zhangsan", "***"),
        (Identity.PERSON, "18600001111", "***"),
    ],
)
def test_a_mask_shows_no_more_than_ten_thousand_others_share(identity, value, shown):
    assert mask(identity, value) == shown


@given(st.text(string.digits + string.ascii_letters, min_size=1, max_size=12))
def test_every_number_of_a_door_user_has_the_same_mask(user):
    assert mask(Identity.PERSON, user) == mask(Identity.PLATE, user) == "***"


MAY_CARRY = [device for device in (GATEWAY, *ALONE, *CHILDREN) if device.kind in PERSONAL]


@given(PERSONS, st.booleans())
def test_a_person_at_any_place_of_any_message_reaches_no_row(person, escaped):
    for topic, content in messages_with(person, MAY_CARRY, NOW_MS):
        text = json.dumps(content, ensure_ascii=escaped)
        for payload in (text, text[:-1]):
            for item in decode(
                topic, payload.encode(), NOW, lambda *key: REGISTRY.get(key), PSEUDONYMISER, communities={COMMUNITY}
            ):
                shown = repr(item) + (item.payload.decode(errors="replace") if isinstance(item, Rejection) else "")
                assert person not in shown, (topic, text)
                assert json.dumps(person)[1:-1] not in shown, (topic, text)


@given(PERSONS, st.sampled_from([device for device in (GATEWAY, *ALONE) if device.kind in PERSONAL]))
def test_an_event_id_is_hashed_and_known_again_under_the_next_key(person, device):
    event = KIND_BY_NAME[device.kind].events[0].name
    payload = json.dumps({"id": person, "ts": NOW_MS, "event": event}).encode()

    def decoded(*keys):
        pseudonymiser = Pseudonymiser(*keys)
        (found,) = decode(topic_of(device, Channel.EVENT), payload, NOW, lambda *key: REGISTRY.get(key), pseudonymiser)
        return found

    before, after = decoded(EARLIER), decoded(KEY, EARLIER)
    assert len(before.id) == 32
    assert before.id != after.id
    assert after.earlier_ids == (before.id,)
    assert decoded(EARLIER) == before


def test_the_id_of_a_meters_event_stays_as_it_is():
    meter = next(device for device in ALONE if device.kind == "gas_meter")
    payload = json.dumps({"id": "01J", "ts": NOW_MS, "event": "gas_leak"}).encode()
    (event,) = decode(topic_of(meter, Channel.EVENT), payload, NOW, lambda *key: REGISTRY.get(key), PSEUDONYMISER)
    assert (event.id, event.earlier_ids) == ("01J", ())


@pytest.mark.parametrize(("code", "stored"), [("E12", True), ("F101", True), ("蒙KA1234", False), ("10428", False)])
def test_a_fault_code_is_stored_only_in_a_form_that_is_no_persons(code, stored):
    camera = next(device for device in ALONE if device.kind == "camera")
    payload = json.dumps({"ts": NOW_MS, "event": "storage_fault", "data": {"code": code}}).encode()
    event, *refused = decode(
        topic_of(camera, Channel.EVENT), payload, NOW, lambda *key: REGISTRY.get(key), PSEUDONYMISER
    )
    assert event.data == ({"code": code} if stored else {})
    assert [rejection.detail for rejection in refused] == [
        "data.code must be a capital letter and one to three digits, such as E12: longer text could be a person's"
    ] * (not stored)


@pytest.mark.parametrize(
    "item",
    [
        {"ts": NOW_MS, "event": "session_started", "data": {"plate": "蒙KA1234"}},
        {"ts": NOW_MS, "event": "session_started", "data": {"remark": "车主 蒙K·A1234 充电"}},
        {"ts": NOW_MS, "event": "session_started", "data": {"user_name": "wang"}},
        {"ts": NOW_MS, "event": "蒙KA1234"},
    ],
)
def test_a_plate_or_a_user_in_a_message_of_another_kind_keeps_its_payload_out(item):
    charger = next(device for device in ALONE if device.kind == "ev_charger")
    for text in (json.dumps([item], ensure_ascii=False), json.dumps([item], ensure_ascii=False)[:-1]):
        *_, rejection = decode(
            topic_of(charger, Channel.EVENT), text.encode(), NOW, lambda *key: REGISTRY.get(key), PSEUDONYMISER
        )
        assert isinstance(rejection, Rejection)
        assert rejection.payload == b""


@pytest.mark.parametrize(
    ("topic", "stored"),
    [
        ("anju/v1/yangguang/vehicle_gate/u10428/event", "anju/v1/yangguang/vehicle_gate/…/event"),
        ("anju/v1/zhangsan/vehicle_gate/d-vehicle_gate/event", "anju/v1/…/vehicle_gate/…/event"),
        ("anju/v1/yangguang/vehicle_gate/d-vehicle_gate/zhangsan", "anju/v1/yangguang/vehicle_gate/d-vehicle_gate/…"),
        ("anju/v1/yangguang/gates/zhangsan/event", "anju/v1/yangguang/…/…/event"),
        ("zhangsan", "…"),
        ("anju/v1/yangguang/water_meter/w77/telemetry", "anju/v1/yangguang/water_meter/w77/telemetry"),
        ("anju/v1/yangguang/water_meter/蒙ka1234/telemetry", "anju/v1/yangguang/water_meter/…/telemetry"),
    ],
)
def test_of_a_topic_only_registered_names_and_words_are_stored(topic, stored):
    (rejection,) = decode(topic, b"{}", NOW, lambda *key: REGISTRY.get(key), PSEUDONYMISER, communities={COMMUNITY})
    assert rejection.topic == stored


@given(PERSONS)
def test_a_hash_is_found_again_under_every_key_that_was_in_force(person):
    for identity in Identity:
        found = PSEUDONYMISER.hashes(identity, person)
        assert found == (Pseudonymiser(KEY).hash(identity, person), Pseudonymiser(EARLIER).hash(identity, person))
        assert all(person not in each for each in found)


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="ANJU_SECRET_KEY"):
        Pseudonymiser(KEY, b"short")
