"""Suppression of alerts: by causes of their own, and by the maintenance windows that match them."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from laws import examples
from store.alerts.alerts import AlertText, NewAlert, progress_alert, raise_alert, reword_alert
from store.alerts.maintenance import NewMaintenance, Purpose, end_maintenance, find_maintenance, insert_maintenance
from store.alerts.suppression import CauseName, causes_of, count_suppressed, release, suppress
from store.database import connect
from store.registry.upsert import TableRows, upsert_registry

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)  # in Shanghai
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
KINDS = ("electricity_meter", "water_meter")
SEVERITIES = ("info", "warning", "major", "critical")


class Estate:
    """Two communities with a device of each kind in each of two buildings, and the alerts raised on them."""

    def __init__(self, connection):
        self.connection = connection
        self._sequences = itertools.count(1)
        columns = ("id", "name", "banner", "street")
        upsert_registry(
            connection,
            TableRows(columns, [(community, "金河苑", "东胜区", "林荫街道") for community in ("east", "west")]),
            TableRows(),
            TableRows(
                ("community", "name", "kind", "building"),
                [
                    (community, f"{kind.partition('_')[0]}-{building}", kind, building)
                    for community in ("east", "west")
                    for building in ("1", "2")
                    for kind in KINDS
                ],
            ),
        )
        self.devices = {
            device_id: (community, building, kind)
            for device_id, community, building, kind in connection.execute(
                "SELECT id, community, building, kind FROM device ORDER BY id"
            )
        }

    def alert(self, device_id=None, rule="leak", **facts):
        community, _, kind = self.devices.get(device_id, (None, None, "pipeline"))
        alert_id = uuid.uuid4()
        raise_alert(
            self.connection,
            NewAlert(
                id=alert_id, rule=rule, rule_version="v1", device_id=device_id, sequence=next(self._sequences),
                community=community, kind=kind, severity="warning", title="漏水", message="", advice="",
                opened_at=NOON, raised_at=NOON, simulated=False,
            )._replace(**facts),
        )  # fmt: skip
        return alert_id

    def end(self, alert_id):
        progress_alert(self.connection, alert_id, "ended", NOON)

    def silence(self, **parts):
        facts = {"starts_at": NOON, "ends_at": NOON + HOUR, "reason": "换表", "actor": "王师傅", "created_at": NOON}
        silence = NewMaintenance(id=uuid.uuid4(), **(facts | parts))
        insert_maintenance(self.connection, silence)
        return silence.id

    def causes(self, alert_id, now=NOON):
        return [cause.name.value for cause in causes_of(self.connection, [alert_id], now).get(alert_id, ())]


@pytest.fixture
def estate(database_url):
    with connect(database_url, application_name="test") as connection:
        yield Estate(connection)
        connection.rollback()


@pytest.fixture
def meter(estate):
    return next(device for device, facts in estate.devices.items() if facts == ("east", "1", "electricity_meter"))


def test_an_alert_that_nothing_suppresses_has_no_entry(estate, meter):
    assert causes_of(estate.connection, [estate.alert(meter)], NOON) == {}
    assert causes_of(estate.connection, [], NOON) == {}


def test_a_cause_holds_from_its_beginning_to_before_its_end_and_says_who_and_why(estate, meter):
    alert = estate.alert(meter)
    until = NOON + HOUR
    suppress(estate.connection, [alert], CauseName.SHELVED, since=NOON, until=until, detail="等备件", actor="王师傅")
    (cause,) = causes_of(estate.connection, [alert], NOON)[alert]
    assert (cause.name, cause.since, cause.until) == (CauseName.SHELVED, NOON, until)
    assert (cause.detail, cause.actor) == ("等备件", "王师傅")
    assert [estate.causes(alert, at) for at in (NOON - SECOND, NOON, until - SECOND, until)] == [
        [], ["shelved"], ["shelved"], [],
    ]  # fmt: skip


def test_several_causes_hold_side_by_side_and_each_is_released_alone(estate, meter):
    alert = estate.alert(meter)
    for hours, cause in enumerate((CauseName.OUT_OF_SERVICE, CauseName.CHATTERING, CauseName.CAUSED_BY_PARENT)):
        suppress(estate.connection, [alert], cause, since=NOON + hours * HOUR, detail="三号楼网关")
    estate.silence(kind=KINDS[0], starts_at=NOON + 3 * HOUR, ends_at=NOON + 9 * HOUR)
    later = NOON + 4 * HOUR
    assert estate.causes(alert, later) == ["out_of_service", "chattering", "caused_by_parent", "maintenance"]
    assert release(estate.connection, [alert], CauseName.CHATTERING, at=later) == {alert}
    assert release(estate.connection, [alert], CauseName.CHATTERING, at=later) == frozenset()
    assert estate.causes(alert, later) == ["out_of_service", "caused_by_parent", "maintenance"]


@pytest.mark.parametrize(
    ("scope", "is_suppressed"),
    [
        ({"community": "east"}, False),
        ({"community": "east", "building": "1"}, False),
        ({"kind": KINDS[0]}, False),
        ({"community": "east", "building": "1", "kind": KINDS[0]}, False),
        ({"device_id": 0}, False),
        ({"rule": "leak"}, True),
        ({"community": "east", "rule": "leak"}, True),
        ({"device_id": 0, "rule": "leak"}, True),
        ({"device_id": 0, "rule": "another"}, False),
    ],
)
def test_a_window_suppresses_a_critical_alert_only_where_it_names_the_rule(estate, meter, scope, is_suppressed):
    scope = {part: meter if part == "device_id" else value for part, value in scope.items()}
    estate.silence(**scope)
    causes = {}
    for severity in SEVERITIES:
        alert = estate.alert(meter, severity=severity)
        causes[severity] = estate.causes(alert)
        estate.end(alert)
    assert causes.pop("critical") == (["maintenance"] if is_suppressed else [])
    assert all(each == (["maintenance"] if scope.get("rule") != "another" else []) for each in causes.values())


@pytest.mark.parametrize("cause", [each for each in CauseName if each not in {"shelved", "maintenance"}])
def test_nothing_that_the_rules_decide_suppresses_a_critical_alert(estate, meter, cause):
    """A gateway that is gone, a device out of service and chattering included."""
    alerts = {severity: estate.alert(meter, f"rule_{severity}", severity=severity) for severity in SEVERITIES}
    suppress(estate.connection, list(alerts.values()), cause, since=NOON, detail="三号楼网关")
    assert [estate.causes(alerts[severity]) for severity in SEVERITIES] == [[cause], [cause], [cause], []]
    assert count_suppressed(estate.connection, NOON)[cause] == 3


def test_a_shelving_of_a_critical_alert_covers_that_alert_and_not_the_next_leak(estate, meter):
    first = estate.alert(meter, severity="critical")
    suppress(estate.connection, [first], CauseName.SHELVED, since=NOON, until=NOON + HOUR, detail="燃气公司在场")
    assert estate.causes(first) == ["shelved"]
    estate.end(first)
    assert estate.causes(estate.alert(meter, severity="critical")) == []


def test_an_alert_that_becomes_critical_leaves_its_shelf_and_can_be_shelved_as_such(estate, meter):
    alert = estate.alert(meter)
    shelf = {"since": NOON, "until": NOON + HOUR, "detail": "等备件", "actor": "王师傅"}
    suppress(estate.connection, [alert], CauseName.SHELVED, **shelf)
    reword_alert(estate.connection, alert, AlertText("critical", "漏水", "", ""))
    assert estate.causes(alert) == []
    suppress(estate.connection, [alert], CauseName.SHELVED, **shelf)
    assert estate.causes(alert) == ["shelved"]


def test_two_hundred_children_are_suppressed_and_released_at_once(estate, meter):
    alerts = {estate.alert(meter, f"rule_{number}") for number in range(200)}
    suppress(estate.connection, alerts, CauseName.CAUSED_BY_PARENT, since=NOON, detail="网关离线")
    assert set(causes_of(estate.connection, alerts, NOON)) == alerts
    assert release(estate.connection, alerts, CauseName.CAUSED_BY_PARENT, at=NOON + HOUR) == alerts
    assert causes_of(estate.connection, alerts, NOON + HOUR) == {}


def test_a_repeated_suppression_is_one_and_a_different_one_replaces_it(estate, meter):
    alert = estate.alert(meter)
    for minutes in (0, 1):
        at = NOON + timedelta(minutes=minutes)
        suppress(estate.connection, [alert], CauseName.CAUSED_BY_PARENT, since=at, detail="网关离线")
    (cause,) = causes_of(estate.connection, [alert], NOON + HOUR)[alert]
    assert cause.since == NOON
    suppress(estate.connection, [alert], CauseName.CAUSED_BY_PARENT, since=NOON + HOUR, detail="三号楼停电")
    (cause,) = causes_of(estate.connection, [alert], NOON + HOUR)[alert]
    assert (cause.since, cause.detail) == (NOON + HOUR, "三号楼停电")
    (before,) = causes_of(estate.connection, [alert], NOON + HOUR - SECOND)[alert]
    assert before.detail == "网关离线"


def test_a_shelving_covers_the_next_alert_of_the_rule_but_not_one_that_ended_before(estate, meter):
    over, shelved = estate.alert(meter), None
    estate.end(over)
    shelved = estate.alert(meter)
    suppress(estate.connection, [shelved], CauseName.SHELVED, since=NOON, until=NOON + HOUR, detail="等备件")
    estate.end(shelved)
    again, other = estate.alert(meter), estate.alert(meter, "flood")
    assert [estate.causes(alert) for alert in (over, again, other)] == [[], ["shelved"], []]
    assert release(estate.connection, [again], CauseName.SHELVED, at=NOON, actor="王师傅") == {again}
    assert estate.causes(again) == []


def test_a_shelving_of_an_alert_about_anju_itself_covers_the_next_one_too(estate):
    shelved = estate.alert(rule="ingest_behind")
    suppress(estate.connection, [shelved], CauseName.SHELVED, since=NOON, until=NOON + HOUR)
    estate.end(shelved)
    assert estate.causes(estate.alert(rule="ingest_behind")) == ["shelved"]


@pytest.mark.parametrize("until", [None, NOON + timedelta(hours=24, seconds=1), NOON - SECOND])
def test_no_shelving_lasts_more_than_a_day_or_ends_before_it_begins(estate, meter, until):
    alert = estate.alert(meter)
    with pytest.raises(psycopg.IntegrityError):
        suppress(estate.connection, [alert], CauseName.SHELVED, since=NOON, until=until)


def test_an_ended_alert_is_not_counted_as_suppressed(estate, meter):
    open_still, over = estate.alert(meter), estate.alert(meter, "flood")
    suppress(estate.connection, [open_still, over], CauseName.OUT_OF_SERVICE, since=NOON)
    estate.end(over)
    assert count_suppressed(estate.connection, NOON)["out_of_service"] == 1


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from([CauseName.CHATTERING, CauseName.OUT_OF_SERVICE]),
            st.sampled_from([None, 3, 7]), st.sampled_from(["a", "b"]), st.booleans(),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_sequence_of_suppressing_and_releasing_leaves_at_most_one_of_a_cause_and_it_is_the_last(
    estate, meter, steps
):
    """Compare the database with a dictionary: the last suppression for a cause holds until its end or its release."""
    with estate.connection.transaction(force_rollback=True):
        alert, now, model = estate.alert(meter), NOON, {}
        for minutes, cause, lasts, detail, releasing in steps:
            now += timedelta(minutes=minutes)
            until = lasts and now + timedelta(minutes=lasts)
            standing = {name: end for name, (end, _) in model.items() if end is None or end > now}
            if releasing:
                released = release(estate.connection, [alert], cause, at=now)
                assert released == ({alert} if cause in standing else frozenset())
                model.pop(cause, None)
            else:
                suppress(estate.connection, [alert], cause, since=now, until=until, detail=detail)
                model[cause] = (until, detail)
            result = causes_of(estate.connection, [alert], now).get(alert, ())
            expected = {name: entry for name, entry in model.items() if entry[0] is None or entry[0] > now}
            assert len(result) == len(expected)
            assert {each.name: (each.until, each.detail) for each in result} == expected


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_window_matches_the_alerts_that_meet_all_its_conditions(estate, data):
    """Compare the database with the same law in Python."""
    subjects = st.sampled_from([None, *estate.devices])
    chosen = data.draw(st.lists(st.tuples(subjects, st.sampled_from(["leak", "flood"])), unique=True, min_size=1))
    severities = data.draw(st.lists(st.sampled_from(SEVERITIES), min_size=len(chosen), max_size=len(chosen)))
    parts = {
        "community": data.draw(st.sampled_from([None, "east", "west"])),
        "kind": data.draw(st.sampled_from([None, *KINDS, "pipeline"])),
        "rule": data.draw(st.sampled_from([None, "leak", "flood"])),
        "device_id": data.draw(subjects),
    }
    if parts["community"]:
        parts["building"] = data.draw(st.sampled_from([None, "1", "2"]))
    if not any(parts.values()):
        parts["rule"] = "leak"
    with estate.connection.transaction(force_rollback=True):
        alerts = {
            estate.alert(device_id, rule, severity=severity): (device_id, rule, severity)
            for (device_id, rule), severity in zip(chosen, severities, strict=True)
        }
        estate.silence(**parts)
        result = set(causes_of(estate.connection, list(alerts), NOON))
    assert result == {alert for alert, subject in alerts.items() if _matches(parts, estate.devices, *subject)}


def _matches(parts, devices, device_id, rule, severity):
    if severity == "critical" and not parts["rule"]:
        return False
    community, building, kind = devices.get(device_id, (None, None, "pipeline"))
    facts = {"community": community, "building": building, "kind": kind, "rule": rule, "device_id": device_id}
    return all(facts[name] == wanted for name, wanted in parts.items() if wanted is not None)


def test_a_window_lasts_from_its_start_to_before_its_end_or_until_a_person_ends_it(estate, meter):
    alert = estate.alert(meter)
    first = estate.silence(community="east", building="1")
    assert [estate.causes(alert, at) for at in (NOON - SECOND, NOON, NOON + HOUR - SECOND, NOON + HOUR)] == [
        [], ["maintenance"], ["maintenance"], [],
    ]  # fmt: skip
    end_maintenance(estate.connection, first, at=NOON + HOUR / 2, actor="李经理")
    assert estate.causes(alert, NOON + HOUR / 2 - SECOND) == ["maintenance"]
    assert estate.causes(alert, NOON + HOUR / 2) == []
    ended = find_maintenance(estate.connection, first)
    assert ended is not None
    assert (ended.ended_at, ended.ended_by) == (NOON + HOUR / 2, "李经理")


def test_a_window_of_a_building_also_matches_alerts_about_several_of_its_devices(estate):
    family = {"community": "east", "kind": "family", "building": "1", "partition": 2**60}
    here, there = estate.alert(**family), estate.alert(**family | {"building": "2", "partition": 2**61})
    estate.silence(community="east", building="1")
    assert (estate.causes(here), estate.causes(there)) == (["maintenance"], [])


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"building": "1"},
        {"community": "nowhere"},
        {"kind": "water_meter", "ends_at": NOON},
        {"kind": "water_meter", "ends_at": NOON + timedelta(days=90, seconds=1)},
        {"kind": "water_meter", "reason": ""},
    ],
)
def test_an_invalid_window_is_refused(estate, parts):
    with pytest.raises(psycopg.IntegrityError):
        estate.silence(**parts)


def test_an_audit_row_is_never_changed(estate):
    estate.connection.execute(
        "INSERT INTO audit_log (at, actor, action, subject, subject_id, before, after) "
        "VALUES (%s, 'api', 'acknowledge', 'alert', '1', '{}', '{}')",
        (NOON,),
    )
    for change in ("UPDATE audit_log SET actor = ''", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(psycopg.errors.RaiseException), estate.connection.transaction():
            estate.connection.execute(change)


def test_a_planned_power_cut_suppresses_its_rules_at_its_place_and_says_so(estate, meter):
    estate.silence(community="east", building="1", purpose=Purpose.POWER_CUT, rules=["silent", "power_lost"])
    covered, other = estate.alert(meter, rule="silent"), estate.alert(meter, rule="leak")
    there = next(device for device, facts in estate.devices.items() if facts == ("east", "2", KINDS[0]))
    critical = estate.alert(meter, rule="power_lost", severity="critical")
    group = estate.alert(None, rule="power_lost", community="east", building="1")
    (cause,) = causes_of(estate.connection, [covered], NOON)[covered]
    assert (cause.name, cause.detail) == (CauseName.MAINTENANCE, "计划停电：换表")
    assert estate.causes(group) == ["maintenance"]
    assert [estate.causes(alert) for alert in (other, critical, estate.alert(there, rule="silent"))] == [[], [], []]


@pytest.mark.parametrize(
    ("ended_at", "held", "free"),
    [(None, NOON + HOUR * 1.5 - SECOND, NOON + HOUR * 1.5), (NOON + HOUR / 2, NOON + HOUR - SECOND, NOON + HOUR)],
)
def test_a_planned_power_cut_goes_on_until_devices_have_reported_again(estate, meter, ended_at, held, free):
    window = estate.silence(
        community="east", purpose=Purpose.POWER_CUT, rules=["silent"], settling=timedelta(minutes=30)
    )
    alert = estate.alert(meter, rule="silent")
    if ended_at:
        end_maintenance(estate.connection, window, at=ended_at, actor="李师傅")
    assert estate.causes(alert, held) == ["maintenance"]
    assert estate.causes(alert, free) == []


def test_a_planned_power_cut_that_was_called_off_suppresses_nothing(estate, meter):
    window = estate.silence(
        community="east", purpose=Purpose.POWER_CUT, rules=["silent"], settling=timedelta(minutes=30)
    )
    end_maintenance(estate.connection, window, at=NOON - SECOND, actor="李师傅")
    assert estate.causes(estate.alert(meter, rule="silent")) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"community": "east", "rules": None}, {"kind": KINDS[0], "rules": ["silent"]},
        {"community": "east", "rule": "leak", "rules": ["silent"]},
    ],
)  # fmt: skip
def test_a_planned_power_cut_has_rules_and_a_place_and_nothing_else(estate, parts):
    with pytest.raises(psycopg.errors.CheckViolation):
        estate.silence(purpose=Purpose.POWER_CUT, **parts)
