"""The report printed on A4: a heading stands on the page of its content, and all devices at fault are listed."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from acceptance.criteria import MEASURED
from acceptance.document import document
from acceptance.report import to_html
from acceptance.verify import questions, verify
from store.telemetry.evidence import Community, Evidence, Household, RegisteredDevice
from store.telemetry.rejections import RejectionCount
from store.telemetry.slots import SlotAnswer
from store.telemetry.window import Window
from witnessing import delivered_tests

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PDFTOTEXT = shutil.which("pdftotext")
START = datetime(2026, 11, 14, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=7))
HEADINGS = ("h1", "h2", "h3", "caption")


class _Headings(HTMLParser):
    """Parser that collects the texts of all headings of a page."""

    def __init__(self):
        super().__init__()
        self.texts, self._open = [], False

    def handle_starttag(self, tag, attrs):
        self._open = tag in HEADINGS
        if self._open:
            self.texts.append("")

    def handle_endtag(self, tag):
        self._open = self._open and tag not in HEADINGS

    def handle_data(self, data):
        if self._open:
            self.texts[-1] += data


def page_of(meters_at_fault, flats):
    """Return the page of a community of that many flats in which some meters of each kind lost half of their data."""
    homes = [Household(str(1 + n // 24), str(1 + n // 12 % 2), str(101 + n % 12)) for n in range(flats)]
    kinds = ("water_meter", "electricity_meter", "gas_meter")
    placed = [(kind, number, home) for kind in kinds for number, home in enumerate(homes)]
    devices = tuple(
        RegisteredDevice(n, f"{kind}-{number}", kind, home.building, home.unit, home.room)
        for n, (kind, number, home) in enumerate(placed, 1)
    )
    asked = questions()
    slots = {
        each: tuple(
            SlotAnswer(
                device.id, (WINDOW.length // each.period) // (2 if number < meters_at_fault else 1),
                WINDOW.end - timedelta(minutes=5), START, START + each.period,
            )
            for device, (_, number, _) in zip(devices, placed, strict=True)
            if device.kind == each.kind
        )
        for each in asked.slots
    }  # fmt: skip
    facts = Evidence(
        WINDOW, Community("c", "林荫小区", "东胜区", "某街道"), tuple(homes), devices, slots,
        dict.fromkeys(asked.deliveries, ()), delivered_tests(devices[-3:], START + timedelta(hours=10)),
        (RejectionCount(devices[0].id, "rate_limited", 3068),),
    )  # fmt: skip
    return to_html(document(verify(facts, include_simulated=False, generated_at=WINDOW.end)), WINDOW.end)


def bare(text):
    return re.sub(r"\s", "", text)


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and PDFTOTEXT), reason="there is no Chromium or no pdftotext on this machine")
@pytest.mark.parametrize(("meters_at_fault", "flats"), [(3, 20), (14, 30), (27, 48), (40, 72)])
def test_no_heading_is_the_last_line_of_a_page(meters_at_fault, flats, tmp_path):
    (tmp_path / "report.html").write_text(page_of(meters_at_fault, flats))
    subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}", (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    printed = subprocess.run(
        [PDFTOTEXT, "-layout", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    parser = _Headings()
    parser.feed((tmp_path / "report.html").read_text())
    headings = {bare(text) for text in parser.texts}
    pages = [[bare(line) for line in page.splitlines() if line.strip()] for page in printed.split("\f") if page.strip()]
    assert len(pages) > 10
    assert headings & {line for lines in pages for line in lines}
    numbers = re.compile(r"\d+/\d+")
    for lines in pages:
        *_, last = (line for line in lines if not numbers.fullmatch(line))
        assert last not in headings
        assert not last.startswith(("设备位置", "指标结论", "内容要求"))  # the head of a table


def test_the_appendix_lists_every_device_below_the_target():
    page = page_of(27, 48)
    appendix = page.partition("附录一：全部未达标设备")[2].partition("附录二")[0]
    read_success = [each for each in MEASURED if each.id.endswith(".read_success") and each.required]
    for criterion in read_success:
        for number in range(27):
            assert appendix.count(f">{criterion.measure.kind}-{number}<") == 1
    listed = page.partition("四、未达标设备与数据缺口")[2].partition("五、设备清单")[0]
    assert listed.count(">water_meter-") == 10
    assert "最差的 10 台如下，全部见附录一" in listed
