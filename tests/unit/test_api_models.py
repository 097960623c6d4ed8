"""Response models for every kind, field and state."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from api.alert_models import Process
from api.models import Connection, DeviceDetail, DeviceState, FieldInfo
from devices.catalogue import KINDS
from devices.kind import Choice, Counter, DeviceKind, Field, Flag
from rules.model import kind_labels as labels
from rules.model import labels_zh
from rules.model.attention import Action, Attention
from rules.model.rule import Phase, Severity
from store.alerts.suppression import CauseName
from store.registry.devices import DeviceRow
from store.telemetry.newest import NewestValue
from store.telemetry.read import Aggregate, allowed_aggregates

NOW = datetime(2026, 7, 1, tzinfo=UTC)
EVERY_FIELD = [pytest.param(field, id=f"{kind.name}.{field.name}") for kind in KINDS for field in kind.fields]


def device(kind: str) -> DeviceRow:
    return DeviceRow(
        id=1, community="c", name="d", kind=kind, building="3", unit="", room="", gateway=None, plan_item=None,
        serial=None, installed_on=None, simulated=True, last_ts=NOW, last_values={}, last_seen=NOW,
        connection="online", connection_at=NOW, withdrawn_at=None, state="silent",
    )  # fmt: skip


def some_value(field: Field) -> float | bool | str:
    if isinstance(field, Choice):
        return next(iter(field.choices))
    return True if isinstance(field, Flag) else 1.5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_device_of_every_kind_shows_every_field_in_the_order_of_its_kind(kind: DeviceKind) -> None:
    newest = [NewestValue(field.name, some_value(field), NOW) for field in reversed(kind.fields)]
    answer = DeviceDetail.of(device(kind.name), newest)
    assert answer.kind_zh == kind.zh
    assert [value.field for value in answer.values] == [field.name for field in kind.fields]
    assert [value.zh for value in answer.values] == [field.zh for field in kind.fields]


def test_a_value_of_a_field_that_the_catalogue_lost_is_left_out() -> None:
    assert DeviceDetail.of(device("water_meter"), [NewestValue("once_known", 1.0, NOW)]).values == []


@pytest.mark.parametrize("field", EVERY_FIELD)
def test_a_number_has_a_unit_and_a_state_has_chinese_words(field: Field) -> None:
    info = FieldInfo.of(field)
    label = labels.value_label(field, some_value(field))
    assert (info.unit is None) == isinstance(field, Flag | Choice)
    assert (label is None) == (info.unit is not None)


@pytest.mark.parametrize("field", EVERY_FIELD)
def test_only_counters_increase(field: Field) -> None:
    assert (Aggregate.INCREASE in allowed_aggregates(field)) == isinstance(field, Counter)


def test_every_state_has_its_chinese_word() -> None:
    assert set(labels_zh.SEVERITY) == set(Severity)
    assert set(labels_zh.ATTENTION) == set(Attention)
    assert set(labels_zh.PROCESS) == set(get_args(Process))
    assert set(labels_zh.PHASE) == set(Phase)
    assert set(labels_zh.ACT) >= set(Action)
    assert set(labels_zh.SUPPRESSION) == set(CauseName)
    assert set(labels_zh.DEVICE_STATE) == set(get_args(DeviceState))
    assert set(labels_zh.CONNECTION) == set(get_args(Connection))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_event_has_its_chinese_word(kind: DeviceKind) -> None:
    assert [labels.event_label(kind.name, event.name) for event in kind.events] == [event.zh for event in kind.events]
    assert labels.event_label(kind.name, "offline") == "离线"
