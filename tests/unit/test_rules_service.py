"""Service states: the planned state of a device decides on its alerts and notices."""

from dataclasses import replace
from datetime import timedelta

import pytest

from devices.device import Service
from devices.electricity_meter import ELECTRICITY_METER
from rules.derived.window import WindowAggregate
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.model.condition import Compare
from rules.model.rule import RulePack, Severity
from tests.unit.rules_fixtures.world import (
    COVER,
    DEVICE,
    START,
    World,
    at,
    event,
    event_rule,
    no_data_rule,
    path,
    rule,
    volts,
)

AT_ONCE = rule(on_delay=timedelta(), off_delay=timedelta())
VOLTAGE = ELECTRICITY_METER.field("voltage_v")
WITHDRAWN = [Service.COMMISSIONING, Service.RETIRED, Service.WITHDRAWN]


class Site(World):
    """A world with one device whose service state changes."""

    def __init__(self, *rules):
        super().__init__(*rules)
        self.service = Service.IN_SERVICE
        self.engine = Engine(RulePack(rules), START, lambda id_: replace(DEVICE, id=id_, service=self.service))
        self.tick(0)

    def become(self, service, minute):
        self.service = service
        return self._record(self.engine.update_services(at(minute)))


@pytest.mark.parametrize("service", WITHDRAWN)
def test_of_a_device_that_is_withdrawn_nothing_is_raised(service):
    site = Site(AT_ONCE, no_data_rule(), event_rule(when=COVER, latch=True))
    site.become(service, 0)
    site.evaluate(volts(1, 245), event(2, "cover_opened"))
    site.tick(500)
    assert site.transitions == []
    assert site.device_state.values == {"voltage_v": 245}


def test_an_item_that_is_late_after_the_return_of_a_device_finds_its_state_from_before():
    mean = WindowAggregate(VOLTAGE, "mean", timedelta(minutes=20), timedelta(minutes=1), timedelta(minutes=10))
    site = Site(rule(when=Compare(mean.field.name, "above", 240.0, mean), until=None, on_delay=timedelta()))
    site.evaluate(*(volts(minute, 230) for minute in range(0, 30, 5)))
    site.become(Service.COMMISSIONING, 30)
    site.evaluate(*(volts(minute, 250) for minute in range(30, 60, 5)))
    site.become(Service.IN_SERVICE, 60)
    site.evaluate(volts(60, 230), volts(52, 230, delay=9), volts(65, 230), volts(70, 230))
    assert site.phase() == "normal"
    site.evaluate(*(volts(minute, 250) for minute in range(75, 120, 5)))
    assert site.phase() == "active"


@pytest.mark.parametrize("service", WITHDRAWN)
def test_what_is_open_or_pending_ends_when_the_device_is_withdrawn(service):
    site = Site(AT_ONCE, rule(name="patient"), event_rule(when=COVER, latch=True))
    site.evaluate(volts(1, 245), event(2, "cover_opened"))
    ended = site.become(service, 3)
    assert {(transition.rule, transition.to_phase, transition.reason) for transition in ended} == {
        (name, "normal", Reason.SERVICE) for name in ("voltage_high", "patient", "power_lost")
    }
    assert {transition.at for transition in ended} == {at(3)}


def test_a_device_that_has_never_sent_has_no_no_data_alert_after_its_handover():
    site = Site(no_data_rule())
    site.become(Service.COMMISSIONING, 0)
    site.become(Service.IN_SERVICE, 10)
    assert site.tick(500) == []
    site.evaluate(volts(501, 230))
    assert site.tick(551)[0].at == at(551)


def test_no_data_counts_from_the_return_of_a_device_that_has_sent_before():
    site = Site(no_data_rule())
    site.evaluate(volts(0, 230))
    site.become(Service.RETIRED, 10)
    assert site.tick(200) == []
    site.become(Service.IN_SERVICE, 300)
    assert site.tick(349) == []
    assert path(site.tick(351)) == "normal active"


def test_out_of_service_a_device_is_evaluated_and_not_notified():
    site = Site(AT_ONCE, no_data_rule())
    site.become(Service.OUT_OF_SERVICE, 0)
    (raised,) = site.evaluate(volts(1, 245))
    assert [cause.cause for cause in raised.suppressed] == ["out_of_service"]
    (silent,) = site.tick(60)
    assert [cause.cause for cause in silent.suppressed] == ["out_of_service"]


def test_out_of_service_a_device_that_can_hurt_people_is_notified_all_the_same():
    site = Site(rule(on_delay=timedelta(), off_delay=timedelta(), severity=Severity.CRITICAL))
    site.become(Service.OUT_OF_SERVICE, 0)
    (raised,) = site.evaluate(volts(1, 245))
    assert raised.suppressed == ()


def test_the_same_registry_read_again_changes_nothing():
    site = Site(AT_ONCE, no_data_rule())
    site.evaluate(volts(0, 245))
    assert site.become(Service.IN_SERVICE, 1) == []
    assert site.phase() == "active"
    assert path(site.tick(60)) == "normal active"
