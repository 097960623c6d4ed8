"""`anju verify` on the demo, and its report as displayed for a street official."""

import html
import json
import re
import shutil
import subprocess

import pytest

NOTICE = "模拟数据，不得作为验收依据"
COMMUNITY = "linyin-xiaoqu"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=5000",
)  # fmt: skip
# The report in a frame of exactly that width; a browser window cannot have every width on every machine.
FRAME = """<!DOCTYPE html><meta charset="utf-8"><pre id="seen"></pre>
<iframe width="{width}" height="800" style="border: 0" srcdoc="{page}" onload="
  const page = this.contentDocument.documentElement
  document.getElementById('seen').textContent = JSON.stringify({{
    width: page.clientWidth, needed: page.scrollWidth, title: this.contentDocument.title, text: page.innerText}})
"></iframe>"""


def verified(demo, folder, *options):
    """Return the completed command, its report, and the file with the report."""
    done = demo.anju("verify", COMMUNITY, "--days", "1", "--out", folder, *options)
    [written] = folder.glob(f"{COMMUNITY}-*.json")
    return done, json.loads(written.read_text())["report"], written


@pytest.fixture(scope="module")
def page(demo, tmp_path_factory):
    """Return the HTML report of the demo."""
    _, _, written = verified(demo, tmp_path_factory.mktemp("report"), "--include-simulated")
    return written.with_suffix(".html").read_text()


def test_a_demonstration_is_marked_everywhere_and_never_passes(demo, tmp_path):
    done, report, written = verified(demo, tmp_path, "--include-simulated")
    assert report["demo"]
    assert all(result["demo"] for result in report["results"])
    failed = any(result["counted"] and result["verdict"] == "fail" for result in report["results"])
    assert done.returncode == (1 if failed else 3), done.stderr
    assert f"结论：{NOTICE}" in done.stdout
    page = written.with_suffix(".html").read_text()
    assert page.count(NOTICE) > page.count("<section") >= 3
    assert str(written.with_suffix(".html")) in done.stdout


def test_simulated_devices_are_no_evidence(demo, tmp_path):
    done, report, _ = verified(demo, tmp_path)
    assert done.returncode == 3, done.stderr
    assert report["outcome"] == "insufficient_data"
    assert "数据不足，不能得出结论" in done.stdout
    assert report["devices"] == []
    registered = demo.get("/devices", community=COMMUNITY, limit=1000)["items"]
    assert {each["device"] for each in report["excluded"]} >= {each["device"] for each in registered}
    assert f"已排除{len(report['excluded'])}台模拟设备" in done.stdout


def test_a_program_reads_the_same_report_as_the_file(demo, tmp_path):
    done, report, written = verified(demo, tmp_path, "--json")
    assert json.loads(done.stdout) == json.loads(written.read_text())
    assert report["community"]["name"] == "林荫小区"


def test_an_unknown_community_is_refused_in_one_line(demo, tmp_path):
    done = demo.anju("verify", "yangguang", "--out", tmp_path)
    assert done.returncode == 1
    assert "yangguang" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_window_that_has_not_ended_is_wrong_usage(demo, tmp_path):
    done = demo.anju("verify", COMMUNITY, "--until", "2100-01-01", "--out", tmp_path)
    assert done.returncode == 2
    assert "--until" in done.stderr


def displayed(page, width, folder):
    """Return the title, the text and the width of the page in a window of that width, in pixels."""
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width, page=html.escape(page, quote=True)))
    done = subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)[1]))


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_fits_a_phone_and_a_desk_and_shows_its_verdicts(page, width, tmp_path):
    view = displayed(page, width, tmp_path)
    assert view["width"] == width
    assert view["needed"] <= width
    assert view["title"] == "小区验收证据报告：林荫小区"
    for words in ("小区验收证据报告", "林荫小区", NOTICE, "合格", "数据不足", "人工查验"):
        assert words in view["text"]
