"""Requests are counted by the template of their route, so that no device makes a series of its own."""

import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from api.metrics import DatabaseCollector, RequestMetrics
from store.database import Database


def answer(scope, *, registry, status=200, templates=()):
    """Let an application answer a request, and return the lines of the log."""

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await send({"type": "http.response.body", "body": b"last"})

    sent = []

    async def send(message):
        sent.append(message)

    with capture_logs() as lines:
        asyncio.run(RequestMetrics(app, registry, dict(templates))(scope, None, send))
    assert [each["type"] for each in sent] == ["http.response.start", *["http.response.body"] * 2]
    return lines


def request(path="/api/v1/devices/linyin/w-1", method="GET", **more):
    return {"type": "http", "method": method, "path": path, "query_string": b"name=Wang", **more}


def counted(registry):
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "anju_http_requests_total"
    }


def route(name, path):
    return {"route": SimpleNamespace(name=name, path=path)}


def test_a_request_is_counted_by_the_whole_template_of_its_route():
    registry = CollectorRegistry()
    template = "/api/v1/devices/{community}/{device}"
    answer(request(**route("read_device", "/{community}/{device}")), registry=registry,
           templates={"read_device": template}, status=404)  # fmt: skip
    assert counted(registry) == {("GET", template, "404"): 1}


def test_a_route_outside_of_the_document_is_counted_by_its_own_path():
    registry = CollectorRegistry()
    answer(request("/docs", **route("docs", "/docs")), registry=registry)
    assert list(counted(registry)) == [("GET", "/docs", "200")]


@pytest.mark.parametrize("path", ["/api/v1/none", "/\x00", "/" + "x" * 5000])
def test_addresses_without_a_route_are_one_series_whatever_they_are(path):
    registry = CollectorRegistry()
    answer(request(path), registry=registry, status=404)
    assert list(counted(registry)) == [("GET", "unmatched", "404")]


def test_an_invented_method_makes_no_series_of_its_own():
    registry = CollectorRegistry()
    answer(request(method="BREW"), registry=registry, status=405)
    assert list(counted(registry)) == [("other", "unmatched", "405")]


def test_the_line_of_a_request_has_its_path_and_never_its_query():
    (line,) = answer(request(), registry=CollectorRegistry())
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/devices/linyin/w-1", 200)
    assert "Wang" not in str(line)


def test_a_refused_request_is_counted_as_such_and_has_no_line_here():
    registry = CollectorRegistry()
    assert answer(request(refused="key_wrong", **route("x", "/x")), registry=registry, status=401) == []
    assert list(counted(registry)) == [("GET", "refused", "401")]


def test_the_start_of_the_server_is_no_request():
    registry = CollectorRegistry()

    async def app(scope, _receive, _send):
        assert scope["type"] == "lifespan"

    asyncio.run(RequestMetrics(app, registry, {})({"type": "lifespan"}, None, None))
    assert counted(registry) == {}


def test_without_the_database_a_scrape_says_so_and_nothing_else():
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    database.close()
    (metric,) = DatabaseCollector(database).collect()
    assert (metric.name, [sample.value for sample in metric.samples]) == ("anju_database_up", [0])
