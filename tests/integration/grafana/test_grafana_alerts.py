"""Queries about alerts: counts and lists, with suppressed alerts apart."""

from datetime import timedelta

from devices.catalogue import KIND_BY_NAME
from grafana import queries

HOUR = timedelta(hours=1)


def test_open_alerts_are_counted_with_those_of_anju_itself_and_without_ended_ones(communities, reader, now):
    meter = communities.add_device("water_meter", "w1")
    other = communities.add_device("water_meter", "w2", "kang-ting")
    communities.add_alert(meter, "water_meter", "critical", now - HOUR)
    communities.add_alert(meter, "water_meter", "warning", now - HOUR, process="ended")
    communities.add_alert(other, "water_meter", "warning", now - HOUR, community="kang-ting")
    communities.add_alert(None, "pipeline", "major", now - HOUR, community=None)
    (row,) = reader.rows(queries.open_alerts(), community=["jia-yuan"])
    assert row == {"紧急": 1, "重要": 1, "一般": 0, "提示": 0, "暂不通知": 0}


def test_an_open_suppressed_alert_is_counted_and_listed_apart(communities, reader, now):
    meter, other = communities.add_device("water_meter", "w1"), communities.add_device("water_meter", "w2")
    communities.add_alert(meter, "water_meter", "major", now - HOUR)
    communities.add_alert(meter, "water_meter", "info", now - HOUR, process="ended")
    communities.add_alert(other, "water_meter", "warning", now - HOUR)
    communities.execute(
        "INSERT INTO silence (id, device_id, starts_at, ends_at, reason, actor, created_at) "
        "VALUES (gen_random_uuid(), %s, now() - interval '1 hour', now() + interval '1 hour', '换表', '王经理', now())",
        (meter,),
    )
    communities.execute(
        "INSERT INTO alert_suppression (alert_id, cause, since, until, detail, actor) "
        "SELECT id, 'shelved', now() - interval '2 hours', now() + interval '2 hours', '等备件', '李师傅' "
        "FROM alert WHERE severity = 'major'"
    )
    (row,) = reader.rows(queries.open_alerts())
    assert row == {"紧急": 0, "重要": 0, "一般": 1, "提示": 0, "暂不通知": 1}
    assert [item["设备"] for item in reader.rows(queries.alerts())] == ["w2", "w1"]
    assert [(item["原因"], item["原因说明"], item["操作人"]) for item in reader.rows(queries.suppressed_alerts())] == [
        ("maintenance", "换表", "王经理"),
        ("shelved", "等备件", "李师傅"),
    ]
    assert len(reader.rows(queries.alerts(KIND_BY_NAME["water_meter"]))) == 3


def test_an_open_alert_stays_listed_however_old_it_is(communities, reader, now):
    meter = communities.add_device("water_meter", "w1")
    long_ago = now - timedelta(days=90)
    communities.add_alert(meter, "water_meter", "warning", long_ago)
    communities.add_alert(meter, "water_meter", "info", long_ago, process="ended")
    communities.add_alert(meter, "water_meter", "major", now - HOUR, process="ended")
    communities.add_alert(None, "pipeline", "major", now - 2 * HOUR, community=None)
    listed = [(row["级别"], row["类型"], row["小区"]) for row in reader.rows(queries.alerts())]
    assert listed == [
        ("major", "数据接入", "平台"),
        ("warning", "水表", "佳园小区"),
        ("major", "水表", "佳园小区"),
    ]
    of_kind = reader.rows(queries.alerts(KIND_BY_NAME["water_meter"]))
    assert [row["级别"] for row in of_kind] == ["warning", "major"]
