"""Leave nothing behind: a process that ends what a test run started, however the run itself ends.

The controller of a run starts the guard and holds the only write end of its standard input. When the controller
ends in good order, by Ctrl-C, by a signal or by SIGKILL, the kernel closes that pipe. The guard then ends every
process of the run and removes the folders of the run: the one with its files, unless the controller asked to keep it,
and one in memory for data that no test needs on a disk.

A process belongs to the run when its environment names the folder of files, or when it works in one of the folders or
has a file below it open. Servers have an environment of their own, but their logs, locks and data lie there.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "PYTEST_RUN_FOLDER"
"""Environment variable that holds the folder of the run's files; every process of the run inherits it."""
MEMORY_VARIABLE = "PYTEST_RUN_MEMORY_FOLDER"
"""Environment variable that holds the path of the run's folder in memory, made when it is needed."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a name of the run's own is made below it
_MEMORY_NEEDED = 2_000_000_000
_GRACE_S = 3.0
_TERMINATION_S = 15.0
_KEEP = b"keep"
_NAME = "anju-tests-"
_KEPT_S = 86_400.0


def is_worker(config: object) -> bool:
    """Return whether this process is a worker of pytest-xdist, by its `pytest.Config`.

    Environment variables do not tell: a run within a test inherits those of the worker that runs the test.
    """
    return hasattr(config, "workerinput")


def new_run_folder() -> Path:
    """Return the path of the folder of a new run, and remove the folders that failed runs left a day ago.

    No other run has its name. The folders of pytest itself are numbered, and a number is given again as soon as its
    folder is removed: the guard of one run would end the processes of the next.
    """
    place = Path(tempfile.gettempdir())
    for old in place.glob(f"{_NAME}*"):
        with suppress(OSError):  # another run removes it at this moment, or it is another user's
            if time.time() - old.stat().st_mtime > _KEPT_S:
                shutil.rmtree(old)
    return place / f"{_NAME}{os.getpid()}-{time.time_ns()}"


class RunGuard:
    """The guard of this run, as its controller sees it."""

    def __init__(self, folder: Path) -> None:
        os.environ[VARIABLE] = str(folder)
        os.environ[MEMORY_VARIABLE] = memory_folder = str(_memory_folder(folder))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(folder), memory_folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal reaches the whole foreground group, and not the guard
        )

    def close(self, *, keep_files: bool) -> list[str]:
        """End the run's processes and remove its folders; return the command lines of the ended ones."""
        report, _ = self._process.communicate(_KEEP if keep_files else b"")
        return report.decode(errors="replace").splitlines()


def _memory_folder(folder: Path) -> Path:
    """Choose a folder in memory, or in the folder of files where the machine has little memory for that."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED:
        return _MEMORY / f"{_NAME}{os.getpid()}"
    return folder / "memory"


def processes_of(*folders: Path) -> list[int]:
    """Return the ids of processes whose environment names the first folder, or that work or write in one of them."""
    mark = f"{VARIABLE}={folders[0]}".encode()
    return [
        int(process.name)
        for process in _processes()
        if int(process.name) != os.getpid()
        and (_carries(process, mark) or any(works_in(process, folder) for folder in folders))
    ]


def works_in(process: Path, folder: Path) -> bool:
    """Return whether the working directory or an open file of a process (as `/proc/1`) lies in the folder."""
    try:
        places = [(process / "cwd").readlink(), *(each.readlink() for each in (process / "fd").iterdir())]
    except OSError:
        return False
    return any(place.is_relative_to(folder) for place in places)


def _carries(process: Path, mark: bytes) -> bool:
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    # A run within a test of this run has a folder below this one.
    return any(variable == mark or variable.startswith(mark + b"/") for variable in variables)


def _processes() -> Iterator[Path]:
    proc = Path("/proc")
    return (each for each in proc.iterdir() if each.name.isdigit()) if proc.is_dir() else iter(())


def _guard(controller: int, folder: Path, memory_folder: Path) -> None:
    """Wait for the end of the controller, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep = sys.stdin.buffer.read() == _KEEP
    _end_processes(controller, folder, memory_folder)
    shutil.rmtree(memory_folder, ignore_errors=True)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _end_processes(controller: int, *folders: Path) -> None:
    """Let processes end on their own for a moment, then ask them to, then kill them."""

    def left() -> list[int]:
        # A controller that closes the guard waits for it; every other one has ended.
        return [pid for pid in processes_of(*folders) if pid != controller]

    _wait(lambda: not left(), _GRACE_S)
    remaining = left()
    for pid in remaining:
        _report(pid)
        _signal(pid, signal.SIGTERM)
    if _wait(lambda: not left(), _TERMINATION_S if remaining else 0):
        return
    for _ in range(50):  # a process may start another while it is being killed
        for pid in left():
            _signal(pid, signal.SIGKILL)
        if _wait(lambda: not left(), 0.2):
            return


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _report(pid: int) -> None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        sys.stdout.buffer.write(words[:200].strip() + b"\n")
        sys.stdout.flush()
    except OSError:  # it has ended, or the controller has
        return


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # it has ended meanwhile
        return


if __name__ == "__main__":
    _guard(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
