"""Two installations for read-only tests: an empty one, and one with the demo. Each test restores its changes."""

import pytest

from cli import running_up


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """Run `anju up` without communities; tests register their own."""
    with running_up(tmp_path_factory.mktemp("house")) as up:
        yield up


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Run `anju up --demo`."""
    with running_up(tmp_path_factory.mktemp("demo"), "--demo") as up:
        yield up
