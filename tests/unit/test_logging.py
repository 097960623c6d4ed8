"""Logs of libraries: a flood of the same line stays short, and its number is told."""

import json
import logging

import pytest
import structlog

from app.logging import configure_logging


@pytest.fixture
def own_configuration():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("own_configuration")
def test_a_flood_of_one_line_is_logged_ten_times_a_minute_and_counted(monkeypatch, capsys):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    configure_logging(library_level=logging.INFO)
    [handler] = root.handlers

    def log(text, second):
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, f"{text}\nsocket: ...", (), None)
        record.created = second
        handler.handle(record)

    for number in range(5000):
        log("socket.accept() out of system resource", 60 + number / 100)
    log("another", 119)
    log("another", 121)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    texts = [line["event"].split("\n")[0] for line in lines]
    assert texts == [
        *["socket.accept() out of system resource"] * 10, "another", "lines of a library left out", "another",
    ]  # fmt: skip
    assert lines[-2]["lines"] == 4990
