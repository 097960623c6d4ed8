"""Alert stream: no transition is lost or doubled, however the stream ends and resumes."""

import json
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from patience import Stopwatch, eventually, patient
from store.admin.migrate import migrate
from store.database import connect


@dataclass(frozen=True)
class Message:
    """Block of the stream."""

    id: int | None = None
    event: str | None = None
    data: Any = None
    comment: str | None = None


@contextmanager
def listening(api: Any, last: int | None = None, **query: Any) -> Iterator[Iterator[Message]]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with api.client.stream("GET", "/alerts/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines())


def messages(lines: Iterator[str]) -> Iterator[Message]:
    block: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            block[name or "comment"] = value
        elif block:
            data = json.loads(block["data"]) if "data" in block else None
            yield Message(int(block["id"]) if "id" in block else None, block.get("event"), data, block.get("comment"))
            block = {}


def events(stream: Iterator[Message]) -> Iterator[Message]:
    return (message for message in stream if message.event == "alert")


def stored(community: Any) -> list[int]:
    rows = community.connection.execute(
        "SELECT t.id FROM alert_transition t JOIN alert a ON a.id = t.alert_id WHERE a.community = %s ORDER BY t.id",
        (community.id,),
    ).fetchall()
    community.connection.commit()
    return [row[0] for row in rows]


def test_an_alert_arrives_as_it_is_raised(api: Any, community: Any) -> None:
    with listening(api, community=community.id) as stream:
        assert next(stream).id is not None
        watch = Stopwatch()
        alert = community.alert(community.device("meter", "electricity_meter"), severity="major")
        message = next(events(stream))
        took_s = watch.quiet_s()
    assert UUID(message.data["alert"]["id"]) == alert
    assert message.data["alert"]["device"] == "meter"
    assert message.data["transition"]["to_state"] == "active"
    assert message.data["transition"]["id"] == message.id
    assert took_s < 0.9  # sooner than the fallback poll: the database notification worked


def test_actions_of_people_arrive_too(api: Any, community: Any) -> None:
    alert = community.alert()
    with listening(api, community=community.id) as stream:
        next(stream)
        api.client.post(f"/alerts/{alert}/acknowledge").raise_for_status()
        message = next(events(stream))
    assert message.data["transition"]["axis"] == "attention"
    assert message.data["alert"]["attention"] == "acknowledged"


def test_assigning_commenting_and_shelving_arrive_each_as_a_step(api: Any, community: Any) -> None:
    alert = community.alert()
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with listening(api, community=community.id) as stream:
        next(stream)
        for action, body in (
            ("assign", {"assignee": "李师傅"}),
            ("comment", {"comment": "到场"}),
            ("shelve", {"until": until, "reason": "等备件"}),
        ):
            api.client.post(f"/alerts/{alert}/{action}", json=body).raise_for_status()
        received = events(stream)
        assigned, commented, shelved = (next(received).data for _ in range(3))
    assert (assigned["transition"]["act_zh"], assigned["alert"]["assignee"]) == ("派单", "李师傅")
    assert (commented["transition"]["act_zh"], commented["transition"]["comment"]) == ("备注", "到场")
    assert (shelved["transition"]["act_zh"], shelved["transition"]["comment"]) == ("搁置", "等备件")
    assert [cause["cause"] for cause in shelved["alert"]["suppressions"]] == ["shelved"]


def test_a_stream_that_was_cut_before_its_first_event_resumes_without_loss(api: Any, community: Any) -> None:
    with listening(api, community=community.id) as stream:
        beginning = next(stream).id
    alert = community.alert()
    with listening(api, last=beginning, community=community.id) as stream:
        assert UUID(next(events(stream)).data["alert"]["id"]) == alert


def test_a_resumed_stream_sends_each_later_transition_once(api: Any, community: Any) -> None:
    first, second, third = (community.alert() for _ in range(3))
    with listening(api, last=0, community=community.id) as stream:
        received = events(stream)
        assert UUID(next(received).data["alert"]["id"]) == first
        message = next(received)
        assert UUID(message.data["alert"]["id"]) == second
    with listening(api, last=message.id, community=community.id) as stream:
        assert UUID(next(events(stream)).data["alert"]["id"]) == third


def test_a_number_beyond_the_newest_transition_counts_as_the_newest(api: Any, community: Any) -> None:
    with listening(api, last=2**62, community=community.id) as stream:
        next(stream)
        alert = community.alert()
        assert UUID(next(events(stream)).data["alert"]["id"]) == alert


@pytest.mark.parametrize("last", ["-1", "x", str(2**63)])
def test_an_id_that_is_no_number_is_refused_before_the_stream_begins(api: Any, last: str) -> None:
    answer = api.client.get("/alerts/stream", headers={"Last-Event-ID": last})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_filters_hold_in_the_stream(api: Any, community: Any, make_community: Callable[[], Any]) -> None:
    with (
        make_community() as elsewhere,
        listening(api, community=community.id, severity=["major", "critical"]) as stream,
    ):
        next(stream)
        community.alert(severity="warning")
        elsewhere.alert(severity="critical")
        wanted = [community.alert(severity="major"), community.alert(severity="critical")]
        received = events(stream)
        assert [UUID(next(received).data["alert"]["id"]) for _ in wanted] == wanted


def test_more_transitions_than_one_batch_arrive_completely(api: Any, community: Any) -> None:
    for _ in range(450):
        community.alert()
    expected = stored(community)
    with listening(api, last=expected[0] - 1, community=community.id) as stream:
        received = events(stream)
        assert [next(received).id for _ in expected] == expected


def test_writers_that_commit_out_of_turn_and_readers_that_break_off_lose_nothing(
    api: Any, community: Any, api_database: str
) -> None:
    """Four writers hold their transactions open for a while; the reader reconnects at random points."""
    seeded_random = random.Random(7)
    alerts = [community.alert() for _ in range(4)]
    beginning = stored(community)[-1]

    def write(alert: UUID) -> None:
        with connect(api_database, application_name="writer") as connection:
            for _ in range(25):
                community.comment(connection, alert, pause_s=seeded_random.random() / 50)

    writers = [threading.Thread(target=write, args=(alert,)) for alert in alerts]
    for writer in writers:
        writer.start()
    received = [beginning]
    while len(received) <= 100:
        with listening(api, last=received[-1], community=community.id) as stream:
            for message in events(stream):
                assert message.id is not None
                received.append(message.id)
                if seeded_random.random() < 0.1 or len(received) > 100:
                    break
    for writer in writers:
        writer.join()
    assert received[1:] == [number for number in stored(community) if number > beginning]


def test_an_end_of_the_api_ends_its_streams_at_once(api_database: str, start_api: Callable[[str], Any]) -> None:
    api = start_api(api_database)
    with listening(api) as stream:
        next(stream)
        watch = Stopwatch()
        api.process.send_signal(signal.SIGTERM)
        assert list(events(stream)) == []
        assert api.process.wait(patient(10)) == 0
    assert watch.quiet_s() < 3
    with pytest.raises(httpx.ConnectError):
        api.get("/alerts")


def test_streams_work_though_the_schema_came_after_the_api(
    empty_database_url: str, start_api: Callable[[str], Any], community_in: Callable[[str], Any]
) -> None:
    api = start_api(empty_database_url)
    eventually_logged(api, "anju migrate")
    migrate(empty_database_url)
    with listening(api) as stream, community_in(empty_database_url) as community:
        next(stream)
        alert = community.alert()
        assert UUID(next(events(stream)).data["alert"]["id"]) == alert


def eventually_logged(api: Any, text: str) -> None:
    eventually(lambda: text in api.log() and api.log())


@pytest.mark.slow
def test_a_stream_survives_the_death_of_its_database(
    mortal_database: str, local_services: Any, start_api: Callable[[str], Any], community_in: Callable[[str], Any]
) -> None:
    api = start_api(mortal_database)
    with listening(api) as stream:
        next(stream)
        with community_in(mortal_database) as community:
            before = community.alert()
        received = events(stream)
        assert UUID(next(received).data["alert"]["id"]) == before
        local_services.postgres.kill()
        # A process of the killed server may answer once more before it notices.
        eventually(lambda: api.get("/alerts").status_code == 503)
        local_services.postgres.start()
        with community_in(mortal_database) as community:
            after = community.alert()
        assert UUID(next(received).data["alert"]["id"]) == after
