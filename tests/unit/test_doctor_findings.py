"""`anju doctor` tells of each partition who receives, how far behind it is, and what to do when nobody does."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.commands.doctor import _ingest
from cli import invoke
from store.admin.locks import LockHolder, PartitionReport, PartitionState

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)
INGEST = LockHolder("anju_ingest", "anju ingest 0", 4711, "10.0.0.5")
STRANGER = LockHolder("anju_api", "psql", 4712, "")
REPORT = PartitionReport(
    partition=0, host="one", pid=77, owner_since=NOW - timedelta(hours=3), committed_at=NOW - timedelta(seconds=1),
    caught_up=True, caught_up_at=NOW - timedelta(seconds=1), buffered=5,
)  # fmt: skip
BEHIND = replace(REPORT, caught_up=False, caught_up_at=NOW - timedelta(seconds=90))
STUCK = replace(BEHIND, committed_at=NOW - timedelta(seconds=40))


@pytest.mark.parametrize(
    ("holder", "report", "good", "said"),
    [
        (INGEST, REPORT, True, "at work on one, process 77, since 2026-07-01 01:00:00 UTC, up to date, 5 messages"),
        (INGEST, BEHIND, True, "90 s behind, 5 messages in memory"),
        (INGEST, replace(BEHIND, caught_up_at=None), True, "behind since its first start"),
        (INGEST, None, True, "at work on 10.0.0.5, not yet reported"),
        (INGEST, STUCK, False, "no commit for 40 s: it is stuck or its machine is"),
        (None, None, False, "no ingest receives: start `anju ingest`, or read its log"),
        (None, BEHIND, False, "no ingest receives, 90 s behind, last at work on one at 2026-07-01 03:59:59 UTC"),
        (STRANGER, REPORT, False, "no part of Anju; nothing goes on until it ends: SELECT pg_terminate_backend(4712)"),
        (replace(STRANGER, application="anju ingest"), REPORT, False, "role anju_api"),
    ],
)
def test_a_partition_is_good_or_has_a_remedy(holder, report, good, said):
    finding = _ingest(PartitionState(0, holder, report), 1, NOW)
    assert (finding.name, finding.good) == ("ingest", good)
    assert said in finding.detail


def test_of_several_partitions_each_has_its_number_and_the_remedy_starts_all():
    finding = _ingest(PartitionState(2, None, None), 4, NOW)
    assert finding.name == "ingest 2"
    assert "start `anju ingest --partitions 4`" in finding.detail


@pytest.mark.parametrize(
    ("holder", "report", "live", "behind"),
    [
        (INGEST, REPORT, True, 0.0),
        (INGEST, BEHIND, False, 90.0),
        (None, REPORT, False, 1.0),
        (INGEST, replace(BEHIND, caught_up_at=NOW + timedelta(seconds=9)), False, 0.0),
        (INGEST, None, False, 0.0),
    ],
)
def test_the_figures_for_programs_say_live_only_of_an_owner_that_is_caught_up(holder, report, live, behind):
    figures = _ingest(PartitionState(0, holder, report), 1, NOW).figures
    assert (figures["live"], figures["behind_s"]) == (live, behind)


@pytest.mark.parametrize("rules", ["none", "bad"])
def test_with_everything_away_each_check_says_so_and_the_others_go_on(tmp_path, rules):
    folder = tmp_path / "rules"
    folder.mkdir()
    if rules == "bad":
        (folder / "water_meter.yaml").write_text("- name: [\n")
    answer = invoke(
        "doctor", "--json", cwd=tmp_path, ANJU_DATABASE_URL="postgresql://anju:of-a-test@127.0.0.1:1/anju",
        ANJU_MQTT_URL="mqtt://ingest:of-a-test@127.0.0.1:1", ANJU_RULES_DIR=str(folder),
    )  # fmt: skip
    assert answer.returncode == 1
    found = {each["name"]: (each["good"], each["detail"]) for each in json.loads(answer.stdout)}
    assert [good for good, _ in found.values()] == [False] * 3
    assert list(found) == ["database", "broker", "rules"]
    assert "of-a-test" not in answer.stdout + answer.stderr
