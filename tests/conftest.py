"""What holds for every test, and the sizes of the faults (`make chaos`)."""

from hypothesis import settings

# A property is no measurement: on a busy machine one example may take long.
settings.register_profile("anju", deadline=None)
settings.load_profile("anju")


def pytest_addoption(parser):
    chaos = parser.getgroup("chaos", "faults; their dice are those of --randomly-seed")
    chaos.addoption("--chaos-seconds", type=float, default=600, help="how long to kill parts at random")
    chaos.addoption("--chaos-backlog", type=int, default=1_000_000, help="messages that wait while ingest is down")
    chaos.addoption("--chaos-devices", type=int, default=10_000, help="devices that reconnect at once")
    chaos.addoption("--chaos-page", metavar="FILE", help="write the summary between the markers in this page")
