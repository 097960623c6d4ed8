"""Life of a test run: the guard that ends what it started, lanes and groups, examples of laws, sizes of faults."""

import os
import sys
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from recording import RECORDING
from run_guard import VARIABLE, RunGuard, is_worker, new_run_folder
from shared_database import stop_shared_database
from simulators.replay import Row, read_daiad

# A law holds for every example, so the number of examples is a matter of time. `quick` is for `make test`: the same
# examples in every run, so that a failure comes of the change. `full` is Hypothesis' own number, drawn anew, for
# `make test-slow` and for pytest by itself; `thorough` hunts (`make laws`). A law that sets `max_examples` because its
# examples are slow asks `examples` of helpers/laws.py for them. An example may take any time on a busy machine.
# A busy machine makes a test slow, never red.
patience = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", patience)
settings.register_profile("quick", patience, max_examples=25, derandomize=True)
settings.register_profile("thorough", patience, max_examples=1000)
settings.load_profile("full")

# A worker takes a whole file, or all files of a group: those share a fixture that is expensive and lasts for a session.
GROUPS = {
    "tests/acceptance/test_up_demo.py": "demo",
    "tests/acceptance/test_verify.py": "demo",
    **dict.fromkeys(
        [
            "tests/acceptance/test_commissioning.py",
            "tests/acceptance/test_doctor.py",
            "tests/acceptance/test_import_commands.py",
            "tests/acceptance/test_logins.py",
            "tests/acceptance/test_replacement_commands.py",
            "tests/acceptance/test_replay.py",
            "tests/acceptance/test_secrets.py",
            "tests/acceptance/test_simulate.py",
            "tests/acceptance/test_tls.py",
            "tests/acceptance/test_up.py",
        ],
        "house",
    ),
    # The role `anju_grafana` belongs to a server, not to a database, so two at once would meet.
    "tests/integration/grafana/": "grafana",
}
# The longest come first, so that all workers end at about the same time.
ORDER = (
    *GROUPS,
    "tests/integration/ingest/test_history_replayed.py",
    "tests/integration/ingest/test_promise.py",
    "tests/integration/ingest/test_spool.py",
    "tests/integration/ingest/test_part",
    "tests/integration/test_local_",
    "tests/integration/api/test_api_refused.py",
    "tests/integration/api/test_api_schema.py",
    "tests/unit/test_recorded_meters.py",
    "tests/chaos/",
    "tests/integration/ingest/",
    "tests/integration/notify/",
    "tests/acceptance/",
    "tests/integration/",
    "tests/",
)

_guard = pytest.StashKey[RunGuard]()
_failed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    chaos = parser.getgroup("chaos", "faults; their dice are those of --randomly-seed")
    chaos.addoption("--chaos-seconds", type=float, default=600, help="how long to kill parts at random")
    chaos.addoption("--chaos-backlog", type=int, default=1_000_000, help="messages that wait while ingest is down")
    chaos.addoption("--chaos-devices", type=int, default=10_000, help="devices that reconnect at once")
    chaos.addoption("--chaos-flood-mib", type=int, default=3072, help="MiB of useless arrays from one device")
    chaos.addoption("--chaos-flood-readings", type=int, default=10_000_000, help="valid readings from one device")
    chaos.addoption("--chaos-page", metavar="FILE", help="write the summary between the markers in this page")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if config.option.basetemp is None:
        config.option.basetemp = str(new_run_folder())


@pytest.hookimpl(trylast=True)  # the folder of the run is known then
def pytest_configure(config: pytest.Config) -> None:
    if not is_worker(config):
        config.stash[_guard] = RunGuard(_files(config))


@pytest.hookimpl(trylast=True)  # after the order was drawn
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, folder in enumerate(ORDER) if item.nodeid.startswith(folder)), 0))
    for item in items:
        if item.get_closest_marker("recorded_data") and not RECORDING.exists():
            item.add_marker(pytest.mark.skip(reason=f"the recorded meter readings are not at {RECORDING}"))


class GroupScheduling(LoadScopeScheduling):
    """Gives workers one group of tests after another, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((group for path, group in GROUPS.items() if file.startswith(path)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_failed] = exitstatus == pytest.ExitCode.TESTS_FAILED
    if is_worker(session.config):
        if measuring := Coverage.current():  # a worker ends without its exit handlers, which would save the data
            measuring.save()
    elif session.config.getoption("numprocesses", None):
        stop_shared_database(Path(os.environ[VARIABLE]) / "database")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(f"Logs and files of the failed tests: {os.environ[VARIABLE]}")


def pytest_unconfigure(config: pytest.Config) -> None:
    guard = config.stash.get(_guard, None)
    if guard:
        for command in guard.close(keep_files=config.stash.get(_failed, False)):
            sys.stderr.write(f"left running by the tests and ended now: {command}\n")


@pytest.fixture(scope="session")
def recorded_rows() -> list[Row]:
    """All readings of the recorded meters, in the order of the file."""
    return list(read_daiad(RECORDING))


def _files(config: pytest.Config) -> Path:
    """The folder of the run, which only a private attribute names outside fixtures."""
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001
    return factory.getbasetemp()
