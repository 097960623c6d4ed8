"""Laws of decoding: `decoder_laws.check` holds for messages of every shape."""

import json
import random
import re
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decoder_laws
from decoder_laws import ALONE, CHILDREN, GATEWAY, NOW_MS, PERSONAL, REGISTRY, decoded, topic_of
from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Personal
from devices.payload import MAX_ITEMS, MAX_PAYLOAD_BYTES, Reading, Rejection
from devices.schema import Reason
from devices.topic import Channel
from item_strategies import event_items, readings


def object_of(pairs):
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


CASES = sorted((Path(__file__).parents[1] / "fuzz" / "cases").iterdir())
KEYS = ["ts", "values", "seq", "event", "id", "data", "kind", "device", "state"]
NAMES = sorted(
    {
        part.name
        for kind in KINDS
        for part in (*kind.fields, *kind.events, *(part for event in kind.events for part in event.data))
    }
)
NUMBERS = st.one_of(
    st.sampled_from(["0", "-0", "-0.0", "1e400", "-1e400", "5e-324", "NaN", "Infinity", "-Infinity", "1E5", "01"]),
    st.sampled_from([2**53 + 1, 2**63, -(2**63) - 1, 10**4299, NOW_MS, NOW_MS + 300_000, NOW_MS + 300_001]).map(str),
    st.one_of(st.integers(), st.floats(), st.integers(NOW_MS - 10**9, NOW_MS + 10**9)).map(json.dumps),
)
STRINGS = st.one_of(
    st.text(max_size=20).map(json.dumps),
    st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from([*KEYS, *NAMES, *(device.name for device in REGISTRY.values()), *KIND_BY_NAME]).map(json.dumps),
    st.sampled_from(
        [r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"', r'"\u0000"', '"\x01"', r'"\x"', '"', '"蒙KA1234"']
    ),
    st.sampled_from(["2026-11-22T12:00:00Z", "2026-11-22t12:00:00.123456789+23:59", "0001-01-01T00:00:00+23:59"]).map(
        json.dumps
    ),
)
# Text instead of objects, so that a key may be repeated and a number may have a form that Python never writes.
TEXT = st.recursive(
    st.sampled_from(["null", "true", "false", "{}", "[]", "", "\ufeff", "[" * 300]) | NUMBERS | STRINGS,
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(KEYS + NAMES).map(json.dumps) | STRINGS, inner), max_size=6).map(object_of)
    ),
    max_leaves=20,
)
TOPICS = st.builds(topic_of, st.sampled_from([GATEWAY, *ALONE, *CHILDREN]), st.sampled_from(list(Channel)))


@st.composite
def almost_right(draw):
    """Generate a message of the gateway with items of its children and others, each wrong in at most one place."""
    channel = draw(st.sampled_from([Channel.TELEMETRY, Channel.EVENT]))
    items = []
    for device in draw(st.lists(st.sampled_from([*CHILDREN, *ALONE]), min_size=1, max_size=4)):
        item = draw(event_items(device)) if channel is Channel.EVENT else draw(readings(device))[0]
        item |= {"kind": device.kind, "device": device.name}
        inner = item["values" if channel is Channel.TELEMETRY else "data"]
        place = draw(st.sampled_from([item, inner]))
        wrong = draw(st.lists(st.sampled_from([*place, "more"]), max_size=1))
        place.update((key, f"<{draw(st.one_of(st.just('null'), NUMBERS, STRINGS, TEXT))}>") for key in wrong)
        items.append(re.sub(r'"<(.*)>"', lambda match: json.loads(f'"{match[1]}"'), json.dumps(item)))
    return topic_of(GATEWAY, channel), f"[{','.join(items)}]"


@given(TOPICS | st.text(max_size=80), st.binary(max_size=200) | TEXT.map(lambda text: text.encode("utf-8", "replace")))
def test_the_laws_hold_for_any_bytes_on_any_topic(topic, payload):
    decoder_laws.check(topic, payload)


@given(almost_right())
def test_the_laws_hold_for_items_that_are_almost_right(message):
    topic, text = message
    decoder_laws.check(topic, text.encode("utf-8", "replace"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_laws_hold_for_the_cases_of_the_fuzzer(case):
    topic, _, payload = case.read_bytes().partition(b"\n")
    decoder_laws.check(topic.decode(), payload)


@given(st.data())
def test_valid_values_are_decoded_unchanged(data):
    for devices, topic in (
        ([data.draw(st.sampled_from([GATEWAY, *ALONE]))], None),
        (data.draw(st.lists(st.sampled_from(CHILDREN), min_size=1, max_size=5)), topic_of(GATEWAY, Channel.TELEMETRY)),
    ):
        sent = [data.draw(readings(device)) for device in devices]
        payload = json.dumps([item for item, _ in sent]).encode()
        items = decoded(topic or topic_of(devices[0], Channel.TELEMETRY), payload)
        assert [(item.device, item.values) for item in items] == [
            (device, values) for device, (_, values) in zip(devices, sent, strict=True)
        ]
        assert [round(item.ts.timestamp() * 1000) for item in items] == [item["ts"] for item, _ in sent]


@given(st.data())
def test_an_invalid_item_changes_no_other_item(data):
    devices = data.draw(st.lists(st.sampled_from(CHILDREN), min_size=2, max_size=5))
    items = [data.draw(readings(device))[0] for device in devices]
    topic = topic_of(GATEWAY, Channel.TELEMETRY)
    before = decoded(topic, json.dumps(items).encode())
    at = data.draw(st.integers(0, len(items) - 1))
    items[at] = data.draw(
        st.sampled_from([None, 1, "text", [], {**items[at], "values": {}}, {**items[at], "ts": None}])
    )
    after = decoded(topic, json.dumps(items).encode())
    assert isinstance(after[at], Rejection)
    assert after[:at] + after[at + 1 :] == before[:at] + before[at + 1 :]


PERSON = "蒙KA1234王小明"


@given(st.data())
def test_a_personal_value_leaves_no_trace_in_any_invalid_message(data):
    device = data.draw(st.sampled_from([device for device in (GATEWAY, *ALONE) if device.kind in PERSONAL]))
    behind = data.draw(st.sampled_from([child for child in CHILDREN if child.kind in PERSONAL - {"gateway"}]))
    event = data.draw(st.sampled_from([event for event in KIND_BY_NAME[behind.kind].events if event.data]))
    personal = {part.name: PERSON for part in event.data if isinstance(part, Personal)}
    more = data.draw(st.dictionaries(st.just("more"), st.sampled_from([1, PERSON]), max_size=1))
    item = {"ts": NOW_MS, "event": event.name, "data": {**personal, **more}}
    item |= data.draw(st.dictionaries(st.sampled_from([*KEYS, PERSON]), st.sampled_from([PERSON, 1, {}]), max_size=2))
    if device is GATEWAY:
        item |= {"kind": behind.kind, "device": data.draw(st.sampled_from([behind.name, PERSON]))}
    escaped = data.draw(st.booleans())
    payload = json.dumps([item], ensure_ascii=escaped).encode()[: data.draw(st.sampled_from([10_000, -1]))]
    for sent in decoded(topic_of(device, data.draw(st.sampled_from(list(Channel)))), payload):
        assert PERSON not in repr(sent)
        assert PERSON not in json.dumps(sent, default=str, ensure_ascii=False)
        assert not isinstance(sent, Rejection) or sent.payload == b""


def longest(shape):
    """Return the longest valid payload of a shape (beginning, repeated part, end)."""
    beginning, part, end = shape
    times = (MAX_PAYLOAD_BYTES - len(beginning) - len(end)) // len(part)
    return beginning + part * times + end


@pytest.mark.parametrize(
    "shape",
    [
        ("[", "1,", "1]"),
        ("[", "{},", "{}]"),
        ("", "[", ""),
        ("", '{"a":', ""),
        ('{"ts":' + "9" * 4300 + ',"values":{', '"a":1,', '"a":1}}'),
        ('{"ts":"', "2026-11-22T", '"}'),
        ('[{"ts":1,"values":"', "x", '"}]'),
        (f'{{"ts":{NOW_MS},"values":{{', '"\\u0061b":1,', '"a":1}}'),
        (f'{{"ts":{NOW_MS},"event":"cover_opened","id":"', "a", '"}'),
        ("[", "9" * 4300 + ",", "9]"),
        (f'[{{"ts":{NOW_MS},"values":{{"volume_m3":', "9", "}}]"),
        ("[", f'{{"ts":{NOW_MS},"kind":"water_meter","device":"c-water_meter","values":{{"flow_m3_h":1}}}},', "1]"),
    ],
    ids=lambda shape: "".join(shape)[:20],
)
@pytest.mark.parametrize("device", [GATEWAY, ALONE[1]], ids=lambda device: device.kind)
def test_the_largest_payload_of_any_shape_is_decoded_within_a_second(shape, device):
    payload = longest(shape).encode()
    for channel in Channel:
        began = process_time()
        decoded(topic_of(device, channel), payload)
        assert process_time() - began < 1


def test_objects_with_twenty_thousand_unknown_fields_are_decoded_within_a_second():
    fields = ",".join(f'"{random.Random(n).getrandbits(32):x}":1' for n in range(20_000))
    payload = f'{{"ts":{NOW_MS},"values":{{{fields}}}}}'.encode()
    began = process_time()
    (rejection,) = decoded(topic_of(ALONE[1], Channel.TELEMETRY), payload)
    assert rejection.reason is Reason.UNKNOWN_FIELD
    assert process_time() - began < 1


def test_an_array_may_have_as_many_items_as_fit_usefully():
    event = min((event.name for kind in KINDS for event in kind.events), key=len)
    field = min((field.name for kind in KINDS for field in kind.fields), key=len)
    shortest = min(f'{{"ts":{NOW_MS},"event":"{event}"}}', f'{{"ts":{NOW_MS},"values":{{"{field}":0}}}}', key=len)
    assert MAX_PAYLOAD_BYTES // len(shortest + ",") < MAX_ITEMS
    (rejection,) = decoded(topic_of(GATEWAY, Channel.TELEMETRY), longest(("[", "1,", "1]")).encode())
    assert rejection.reason is Reason.TOO_LARGE


def test_a_gateway_may_send_five_hundred_readings_at_once():
    item = {"ts": NOW_MS, "kind": "electricity_meter", "device": "c-electricity_meter"}
    item["values"] = {"energy_kwh": 12345.67, "power_w": 351.2, "voltage_v": 229.8, "current_a": 1.53}
    payload = json.dumps([{**item, "ts": NOW_MS - n} for n in range(500)]).encode()
    assert [type(entry) for entry in decoded(topic_of(GATEWAY, Channel.TELEMETRY), payload)] == [Reading] * 500
