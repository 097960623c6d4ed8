"""Two installations that the tests look at: one empty, one with the demo. Each test leaves them as it found them."""

import pytest

from cli import running_up


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """`anju up` without any community but those that tests register."""
    with running_up(tmp_path_factory.mktemp("house")) as up:
        yield up


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """`anju up --demo`."""
    with running_up(tmp_path_factory.mktemp("demo"), "--demo") as up:
        yield up
