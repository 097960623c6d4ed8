"""A test run leaves no process and no folder behind, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from patience import eventually
from run_guard import MEMORY_VARIABLE, VARIABLE, processes_of

ROOT = Path(__file__).parents[2]
WAITING = """
import os, subprocess, sys, time
from pathlib import Path

def test_waits(services, local_services, tmp_path):
    # A session of its own, as `anju up` has: no signal to the run reaches it.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    folders = os.environ["{VARIABLE}"] + "\\n" + os.environ["{MEMORY_VARIABLE}"] + "\\n" + str(os.getpid())
    Path("{ready}.new").write_text(folders)
    Path("{ready}.new").rename("{ready}")
    time.sleep(1000)
"""


@pytest.fixture
def run(tmp_path: Path):
    """A test run with two workers in the middle of a test that uses both kinds of servers."""
    test, ready = tmp_path / "test_waiting.py", tmp_path / "ready"
    test.write_text(WAITING.format(VARIABLE=VARIABLE, MEMORY_VARIABLE=MEMORY_VARIABLE, ready=ready))
    plugins = [word for name in ("conftest", "integration.conftest") for word in ("-p", name)]
    command = [sys.executable, "-m", "pytest", "-n", "2", "-c", ROOT / "pyproject.toml"]
    # The run of its own is no worker of the run around it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--basetemp={tmp_path / 'files'}", *plugins, test],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'tests' / 'helpers'}"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A shell that starts a run in the background has Ctrl-C ignored in it, and in all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
    eventually(lambda: ready.exists() or process.poll() is not None, timeout_s=120)
    assert ready.exists(), (tmp_path / "log").read_text()
    files, memory, worker = ready.read_text().splitlines()
    yield process, Path(files), Path(memory), int(worker)
    assert process.poll() is not None


def interrupt(process, _worker):
    """Ctrl-C in a terminal."""
    os.killpg(process.pid, signal.SIGINT)


def terminate(process, _worker):
    process.terminate()


def kill(process, _worker):
    process.kill()


def kill_worker(_process, worker):
    os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize(
    "end",
    [
        kill,
        pytest.param(interrupt, marks=pytest.mark.slow),
        pytest.param(terminate, marks=pytest.mark.slow),
        pytest.param(kill_worker, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_ended_leaves_nothing_behind(run, end):
    process, files, memory, worker = run
    assert len(processes_of(files, memory)) > 10
    ready = files.parent / "ready"
    ready.unlink()
    end(process, worker)
    if end is kill_worker:
        # The run goes on with another worker, which runs the test again.
        eventually(ready.exists, timeout_s=60)
        interrupt(process, worker)
    eventually(lambda: process.poll() is not None, timeout_s=60)
    # SIGKILL and SIGTERM end the run at once, and its guard works on for a moment.
    eventually(lambda: not processes_of(files, memory), timeout_s=60)
    eventually(lambda: not memory.exists() and not files.exists(), timeout_s=60)


def test_each_run_has_a_folder_that_no_other_run_gets(tmp_path):
    """A number given again would make the guard of one run end the processes of the next."""
    test, seen, old = tmp_path / "test_folder.py", tmp_path / "seen", tmp_path / "anju-tests-1-1"
    test.write_text(
        "import os\nfrom pathlib import Path\n\ndef test_folder(tmp_path):\n"
        f"    Path({str(seen)!r}).write_text(os.environ[{VARIABLE!r}] + chr(10) + str(tmp_path))\n"
    )
    old.mkdir()
    os.utime(old, (0, 0))
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "conftest", test]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'tests' / 'helpers'}", "TMPDIR": str(tmp_path)}
    folders = set()
    for _ in range(2):
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        folder, of_test = map(Path, seen.read_text().splitlines())
        assert of_test.is_relative_to(folder)
        assert not folder.exists()
        folders.add(folder)
    assert len(folders) == 2
    assert not old.exists()
