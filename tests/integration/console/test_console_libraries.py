"""The browser libraries of the console in Chromium, under the content security policy of the console."""

import http.server
import shutil
import threading
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import expect

from console.assets import MissingAssetsError, read_assets

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
POLICY = "default-src 'self'"
PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>安居</title>
<meta name="htmx-config" content='{{"includeIndicatorCSS": false}}'>
<script src="/{htmx}" defer></script><script src="/{sse}" defer></script><script src="/{uplot}" defer></script>
<link rel="stylesheet" href="/{css}"></head><body>
<form hx-post="/acknowledge" hx-target="#state" action="/acknowledge" method="post"><button>确认</button></form>
<p id="state">待处理</p><div id="live" hx-sse:connect="/stream" hx-target="#live"></div></body></html>"""


@dataclass
class Site:
    """A site of one page with the libraries, a form and a stream."""

    address: str = ""
    streams: list[str | None] = field(default_factory=list)


@pytest.fixture
def site():
    try:
        assets = read_assets()
    except MissingAssetsError as missing:
        pytest.skip(str(missing))
    names = {
        key: assets.name(f"{name}")
        for key, name in (("htmx", "htmx.js"), ("sse", "htmx-sse.js"), ("uplot", "uplot.js"), ("css", "uplot.css"))
    }
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, kind, content):
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            name = self.path.lstrip("/")
            if name == "":
                self.answer("text/html", PAGE.format(**names).encode())
            elif name == "stream":
                site.streams.append(self.headers["Last-Event-ID"])
                self.answer("text/event-stream", f"id: 7\ndata: <b>第 {len(site.streams)} 条</b>\n\n".encode())
            elif name in names.values():
                kind = "text/css" if name.endswith(".css") else "text/javascript"
                self.answer(kind, (assets.folder / name).read_bytes())
            else:
                self.send_error(404)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.answer("text/html", "已确认".encode())

        def log_message(self, *_):
            """Keep the output of the tests clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_form_stream_and_curve_work_without_a_violation_of_the_policy(site, browser):
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if "Security Policy" in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site.address)
    page.get_by_role("button", name="确认").click()
    expect(page.locator("#state")).to_have_text("已确认", timeout=60_000)
    expect(page.locator("#live b")).to_be_visible(timeout=60_000)
    page.evaluate(
        "() => { window.curve = new uPlot({width: 300, height: 200, series: [{}, {stroke: 'black'}]},"
        " [[1, 2], [3, 4]], document.body); }"
    )
    assert page.locator("canvas").count() == 1
    # The stream ended: the extension opens it again, after the event that it has seen.
    expect(page.locator("#live b")).not_to_have_text("第 1 条", timeout=60_000)
    page.close()
    assert complaints == []
    assert site.streams[:2] == [None, "7"]
