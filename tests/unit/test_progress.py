"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing for short work."""

import os
import pty
import subprocess
import sys
import time

import pytest

from app import progress as module
from app.progress import Progress, progress
from patience import eventually, patient

WORK = """
import time
from app import progress
progress._SHOWN_AFTER_S, progress._BAR_EVERY_S = 0.05, 0.05
with progress.progress("sending", "messages") as work:
    for number in range(20):
        work.update(number / 20, number * 100)
        time.sleep(0.05)
print("done")
"""


@pytest.fixture
def soon(monkeypatch):
    """Show progress after a moment instead of after seconds."""
    monkeypatch.setattr(module, "_SHOWN_AFTER_S", 0.02)
    monkeypatch.setattr(module, "_LINE_EVERY_S", 0.02)


def shown(capfd, count):
    """Return the first lines on standard error, once there are so many."""
    text = ""

    def look():
        nonlocal text
        text += capfd.readouterr().err
        return text.count("\n") >= count

    eventually(look, every_s=0.02)
    return text.splitlines()


def test_without_a_terminal_plain_lines_tell_share_rate_and_time_left(soon, capfd):
    with progress("sending", "messages") as work:
        work.update(0.25, 5000)
        lines = shown(capfd, 3)[1:]  # the first may be older than the update
    assert all(line.startswith("sending: 25%, 5,000 messages, ") and line.endswith(" left") for line in lines)
    assert all(" a second, " in line for line in lines)


def test_work_that_cannot_say_how_far_it_is_tells_its_time(soon, capfd):
    with progress("migrating"):
        assert shown(capfd, 1)[0] == "migrating: for 0:00"


def test_work_that_does_not_report_is_looked_at(soon, capfd):
    with progress("fetching", "MB", lambda work: work.update(0.5, 35)):
        assert shown(capfd, 1)[0].startswith("fetching: 50%, 35 MB, ")


def test_short_work_and_work_without_an_end_show_nothing(soon, capfd):
    with progress("short"):
        pass
    with progress("live") as work:
        work.end()
        time.sleep(0.1)
    assert capfd.readouterr().err == ""


def test_the_display_ends_with_an_error_of_the_work(soon, capfd):
    with pytest.raises(ValueError, match="bad"), progress("failing"):
        raise ValueError("bad")
    capfd.readouterr()
    time.sleep(0.1)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("fraction", "elapsed_s", "left"),
    [
        (0.5, 30, "0:30 left"),
        (0.01, 60, "1:39:00 left"),
        (1.0, 5, "0:00 left"),
        (None, 65, "for 1:05"),
        (0, 3, "for 0:03"),
    ],
)
def test_the_time_left_follows_from_the_share_done(monkeypatch, fraction, elapsed_s, left):
    work = Progress("work", "")
    work.update(fraction)
    monkeypatch.setattr(Progress, "elapsed_s", elapsed_s)
    assert work.left == left


def test_on_a_terminal_a_bar_is_drawn_and_taken_away_again():
    controller, terminal = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", WORK], stderr=terminal, stdout=subprocess.PIPE, text=True) as process:
        os.close(terminal)
        output, shown = process.communicate(timeout=patient(60))[0], b""
        try:
            while block := os.read(controller, 65536):
                shown += block
        except OSError:  # the other end is closed
            pass
        os.close(controller)
    text = shown.decode()
    assert output == "done\n"
    assert "sending" in text
    assert " a second" in text
    assert "left" in text
    assert "━" in text
    assert "\x1b[2K" in text  # the line of the bar is cleared
