"""Files of a verification, and its summary for a terminal."""

import hashlib
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from acceptance.document import canonical_text, digest, document
from acceptance.labels import DEMO_NOTICE, SIGNATORIES
from acceptance.plan_items import PLAN_ITEMS
from acceptance.report import to_html, to_json
from acceptance.run import stored_form
from acceptance.summary import exit_code, summary
from acceptance.verify import questions, verify
from acceptance.wording import percent, span
from devices.schema import REASON_ZH, Reason
from store.telemetry.evidence import Community, DeliveryAnswer, Evidence, Household, RegisteredDevice
from store.telemetry.slots import SlotAnswer
from store.telemetry.window import Window
from witnessing import delivered_tests

START = datetime(2026, 11, 14, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=7))
NAME = '<script>alert("幸福里")</script>'


def report_of(*, filled=None, simulated=False, include_simulated=False, generated_at=WINDOW.end, without=()):
    """Return a community of twenty flats with three meters each, five doors and cameras, with `filled` or all slots."""
    flats = [Household("3", "1", str(100 + number)) for number in range(20)]
    kinds = ("water_meter", "electricity_meter", "gas_meter")
    placed = [(kind, flat) for kind in kinds for flat in flats if (kind, flat.room) not in without]
    placed += [(kind, Household("3", "", "")) for kind in ("access_control", "camera") for _ in range(5)]
    devices = tuple(
        RegisteredDevice(number, f"d{number}", kind, *_place(flat), serial=f"S{number}", simulated=simulated)
        for number, (kind, flat) in enumerate(placed, 1)
    )
    asked = questions()
    slots = {
        each: tuple(
            SlotAnswer(
                device.id,
                WINDOW.length // each.period if filled is None else filled,
                WINDOW.end - timedelta(minutes=5),
                START,
                START + each.period,
            )
            for device in devices
            if device.kind == each.kind
        )
        for each in asked.slots
    }
    deliveries = {
        each: tuple(DeliveryAnswer(device.id, 40, 40) for device in devices if device.kind == each.kind)
        for each in asked.deliveries
    }
    community = Community("xf", NAME, "东胜区", "某街道", "某物业", 1998, "竣工")
    tests = delivered_tests(devices, START + timedelta(hours=10))
    result = Evidence(WINDOW, community, tuple(flats), devices, slots, deliveries, tests)
    return verify(result, include_simulated=include_simulated, generated_at=generated_at)


def _place(flat):
    return flat.building, flat.unit, flat.room


def page(report):
    return to_html(document(report), report.generated_at)


class _Resources(HTMLParser):
    """Parser that collects the resources and scripts of a page, and checks the nesting of its elements."""

    void = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self):
        super().__init__()
        self.loaded, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        if tag in {"script", "iframe", "object", "link"}:
            self.loaded.append(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_reason_of_refused_data_has_words():
    assert set(REASON_ZH) == set(Reason)


def test_the_hash_in_the_file_is_that_of_its_report():
    report = report_of()
    file = json.loads(to_json(document(report), report.generated_at))
    text = json.dumps(file["report"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert file["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert file["sha256"] in page(report)


def test_the_hash_is_independent_of_the_time_of_generation():
    later = report_of(generated_at=WINDOW.end + timedelta(days=3))
    assert digest(document(later)) == digest(document(report_of()))
    assert stored_form(later).id != stored_form(report_of()).id


def test_a_document_holds_whole_numbers_and_text_only():
    def floats(value):
        if isinstance(value, dict):
            return [each for item in value.values() for each in floats(item)]
        if isinstance(value, list):
            return [each for item in value for each in floats(item)]
        return [value] if isinstance(value, float) else []

    assert floats(json.loads(canonical_text(document(report_of())))) == []


def test_times_in_the_document_are_local():
    assert document(report_of())["window"] == {
        "start": "2026-11-15T00:00:00+08:00",
        "end": "2026-11-22T00:00:00+08:00",
    }


def test_the_page_loads_nothing_and_runs_nothing():
    parser = _Resources()
    parser.feed(page(report_of()))
    assert parser.loaded == []
    assert parser.open == []
    assert "url(" not in page(report_of())


def test_a_name_from_the_registry_is_text_not_markup():
    assert "<script>" not in page(report_of())
    assert "&lt;script&gt;" in page(report_of())


def test_the_page_names_every_item_and_a_signature_place_for_every_party():
    text = page(report_of())
    assert all(item.title in text for item in PLAN_ITEMS)
    assert all(f"<th>{party}</th>" in text for party in SIGNATORIES)


def test_every_measured_criterion_shows_its_figure_threshold_bound_and_basis():
    text = page(report_of())
    row = re.search(r"<strong>水表抄读成功率</strong>.*?</tr>", text, re.DOTALL)
    assert row
    for part in ("100.00 %", "≥ 98.5 %", "3,360 / 3,360", "83.88 %", "3天", "合同", "并非本项目合同"):
        assert part in row.group()


def test_the_page_says_which_household_lacks_which_meter():
    text = page(report_of(without={("gas_meter", "107")}))
    assert re.search(r'class="room short">107 <b>气✕</b>', text)
    assert text.count('class="room full"') == 19


def test_every_section_of_a_demonstration_is_marked():
    text = page(report_of(simulated=True, include_simulated=True))
    sections = re.split(r"<section|<header|<footer", text)[1:]
    assert len(sections) > 8
    assert all(DEMO_NOTICE in section for section in sections)
    tables = re.split(r"一、各类改造内容", text)[1].split("八、各方签字")[0]
    rows = [row for row in re.findall(r"<tr.*?</tr>", tables, re.DOTALL) if "<td" in row and 'class="how"' not in row]
    assert rows
    assert all('<span class="tag">模拟</span>' in row for row in rows)


def test_real_evidence_is_not_marked_as_a_demonstration():
    assert DEMO_NOTICE not in page(report_of())


def test_excluded_devices_are_listed_on_the_page_and_in_the_file():
    report = report_of(simulated=True)
    assert "已排除 70 台" in page(report)
    assert len(document(report)["excluded"]) == 70
    assert all(each["reason"] == "simulated" for each in document(report)["excluded"])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, 0),
        ({"filled": 0}, 1),
        ({"generated_at": WINDOW.start}, 3),
        ({"simulated": True, "include_simulated": True}, 3),
        ({"simulated": True, "include_simulated": True, "filled": 0}, 1),
        ({"simulated": True}, 3),
    ],
)
def test_the_exit_code_is_zero_only_for_real_evidence_of_success(options, code):
    assert exit_code(report_of(**options)) == code


def test_the_columns_of_the_summary_stand_under_each_other():
    def columns(text):
        return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

    lines = summary(report_of()).splitlines()
    table = lines[3 : lines.index("", 3)]
    verdict_at = columns(table[0].partition("结论")[0])
    assert len(table) == 18
    for line in table[1:]:
        before = re.match(r"(.*?)(合格|不合格|数据不足|不涉及) ", line)
        assert before
        assert columns(before.group(1)) == verdict_at


def test_every_row_of_a_demonstrations_summary_says_so():
    report = report_of(simulated=True, include_simulated=True)
    lines = summary(report).splitlines()
    assert all("模拟数据" in line for line in lines[4:20])
    assert DEMO_NOTICE in lines[-1]
    assert DEMO_NOTICE in summary(report_of(simulated=True))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(days=7), "7天"),
        (timedelta(days=1, hours=6), "1天6小时"),
        (timedelta(minutes=15), "15分钟"),
        (timedelta(0), "0秒"),
    ],
)
def test_spans_are_read_in_whole_units(length, text):
    assert span(length) == text


@pytest.mark.parametrize(("share", "text"), [("1", "100 %"), ("0.985", "98.5 %"), ("0.0000", "0 %")])
def test_targets_have_no_superfluous_zeros(share, text):
    assert percent(share) == text
