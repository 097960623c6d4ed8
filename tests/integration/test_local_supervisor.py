import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.errors import LocalError
from local.home import Home
from local.process import Part, Process
from local.supervisor import Supervisor
from local.users import User, service_user
from patience import eventually, patient, within

ROOT = Path(__file__).parents[2]
TICKING = "while True: time.sleep(0.05)"


def python(code: str) -> tuple[str, ...]:
    return ("/usr/bin/env", "python3", "-c", f"import os, pathlib, signal, sys, time\n{code}")


def part(name: str, code: str = TICKING, *, ready: Callable[[], None] = lambda: None, user: User | None = None) -> Part:
    return Part(name=name, argv=python(code), check_ready=ready, user=user)


def exists(file: Path) -> Callable[[], None]:
    def check() -> None:
        if not file.exists():
            raise LocalError(f"{file.name} is not there yet.")

    return check


def runs(pid: int) -> bool:
    """Return whether the process runs; an ended one may still wait for init to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def watching(supervisor: Supervisor) -> Iterator[None]:
    """Watch the parts in another thread during the block; restarted parts end with it."""
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.watch, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(patient(10))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


def test_a_part_is_started_only_when_those_before_it_are_ready(home: Home, tmp_path: Path):
    mark = tmp_path / "mark"
    slow = part("slow", f"time.sleep(0.3); pathlib.Path({str(mark)!r}).touch()\n{TICKING}", ready=exists(mark))
    with Supervisor(home, print) as supervisor:
        supervisor.start(slow)
        assert mark.exists()


def test_each_part_has_its_process_id_in_its_file_while_it_runs(home: Home):
    with Supervisor(home, print) as supervisor:
        processes = [supervisor.start(part(name)) for name in ("ingest", "api")]
        files = [home.pid_file(name) for name in ("ingest", "api")]
        assert [int(file.read_text()) for file in files] == [process.pid for process in processes]
        assert all(runs(process.pid) for process in processes)
    assert not any(file.exists() for file in files)


def test_a_killed_part_runs_again_within_five_seconds_and_one_line_reports_it(home: Home):
    lines: list[str] = []
    supervisor = Supervisor(home, lines.append)
    with supervisor:
        process = supervisor.start(part("ingest"))
        first = process.pid
        with watching(supervisor):
            os.kill(first, signal.SIGKILL)
            within(5, lambda: process.pid != first and process.alive())
            time.sleep(0.5)
    assert len(lines) == 1
    assert lines[0].startswith("ingest was ended by SIGKILL; starting it again in 0.2 s")


def test_a_part_that_dies_repeatedly_is_restarted_with_growing_delays(home: Home):
    lines: list[str] = []
    supervisor = Supervisor(home, lines.append)
    with supervisor:
        supervisor.start(part("api", "sys.exit(3)"))
        with watching(supervisor):
            eventually(lambda: len(lines) >= 3)
    delays = [line.split(" in ")[1].split(" s ")[0] for line in lines[:3]]
    assert lines[0].startswith("api ended with status 3")
    assert delays == ["0.2", "0.4", "0.8"]


def test_everything_stops_in_reverse_order(home: Home, tmp_path: Path):
    order = tmp_path / "order"
    code = (
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(order)!r}, 'a').write(sys.argv[-1] + ' '), sys.exit()))\n"
        f"pathlib.Path({str(tmp_path)!r}, sys.argv[-1]).touch()\n{TICKING}"
    )
    with Supervisor(home, print) as supervisor:
        for name in ("one", "two", "three"):
            supervisor.start(Part(name=name, argv=(*python(code), name), check_ready=exists(tmp_path / name)))
    assert order.read_text().split() == ["three", "two", "one"]


def test_a_part_that_will_not_stop_is_killed(home: Home, tmp_path: Path):
    code = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path({str(tmp_path / 'deaf')!r}).touch()\n{TICKING}"
    process = Process(part("deaf", code, ready=exists(tmp_path / "deaf")), home)
    process.start()
    process.stop(timeout_s=0.2)
    assert not process.alive()
    assert process.how_it_ended() == "was ended by SIGKILL"


def test_kill_ends_the_whole_group(home: Home, tmp_path: Path):
    child = tmp_path / "child"
    code = f"pid = os.fork()\nif pid: pathlib.Path({str(child)!r}).write_text(str(pid))\n{TICKING}"
    process = Process(
        part("family", code, ready=lambda: None if child.exists() and child.read_text() else fail()), home
    )
    process.start()
    process.kill()
    eventually(lambda: not runs(int(child.read_text())))


def fail() -> None:
    raise LocalError("not yet")


def test_a_part_that_ends_at_the_start_is_an_error_with_the_end_of_its_log(home: Home):
    process = Process(part("broken", "sys.exit('no such table: meter')", ready=fail), home)
    with pytest.raises(LocalError, match=r"broken ended with status 1 instead of starting(?s:.*)no such table: meter"):
        process.start()


def test_a_missing_program_is_an_error_that_names_it(home: Home):
    process = Process(Part(name="absent", argv=("/no/such/program",), check_ready=fail), home)
    with pytest.raises(LocalError, match="cannot run /no/such/program: No such file or directory"):
        process.start()


def test_a_part_that_is_not_ready_in_time_is_an_error_with_the_reason(home: Home):
    process = Process(part("slow", ready=fail), home)
    with pytest.raises(LocalError, match=r"slow was not ready within 0\.2 s: not yet"):
        process.start(timeout_s=0.2)
    process.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")
def test_a_dropped_part_has_none_of_roots_rights(home: Home):
    user = service_user("broker")
    assert user is not None
    process = Process(part("dropped", user=user), home)
    process.start()
    eventually(lambda: "Uid:\t0" not in Path(f"/proc/{process.pid}/status").read_text())
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line
    )
    process.stop()
    assert set(status["Uid"].split()) == {str(user.uid)}
    assert set(status["Gid"].split()) == {str(user.gid)}
    assert status["Groups"].strip() == ""
    assert int(status["CapEff"], 16) == 0


SUPERVISE = """
import sys, time
from pathlib import Path
from local.home import Home
from local.process import Part
from local.supervisor import Supervisor

home = Home(Path(sys.argv[1]))
supervisor = Supervisor(home, print)
deafened = Path(sys.argv[1]) / "deafened"
commands = {"polite": "exec sleep 1000", "deaf": f"trap '' TERM; touch {deafened}; while :; do sleep 0.1; done"}
for name, command in commands.items():
    supervisor.start(Part(name=name, argv=("sh", "-c", command), check_ready=lambda: None))
while not deafened.exists():
    time.sleep(0.05)
print("ready", flush=True)
time.sleep(1000)
"""


def test_parts_of_a_killed_supervisor_end_or_are_ended_by_the_next_supervisor(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "ready\n"
        polite, deaf = (int((tmp_path / "run" / f"{name}.pid").read_text()) for name in ("polite", "deaf"))
        supervisor.kill()
    eventually(lambda: not runs(polite))
    assert runs(deaf)
    with Home(tmp_path) as home, Supervisor(home, print) as next_one:
        next_one.start(part("deaf"))
        assert not runs(deaf)


def test_a_stale_number_in_a_pid_file_is_not_mistaken_for_a_part(home: Home):
    with subprocess.Popen(["/bin/sleep", "1000"]) as stranger:
        home.pid_file("ingest").write_text(f"{stranger.pid}\n")
        with Supervisor(home, print) as supervisor:
            supervisor.start(part("ingest"))
            assert stranger.poll() is None
        stranger.kill()


def test_a_data_directory_in_use_is_refused_by_name(home: Home, tmp_path: Path):
    with pytest.raises(LocalError, match=rf"in use by another Anju \(process {os.getpid()}\).*--data-dir"):
        Home(tmp_path)
