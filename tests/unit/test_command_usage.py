"""A command that is given the wrong thing says what to give, before it asks a server."""

import pytest

from cli import invoke
from store.database import DatabaseUnavailableError

# Nothing listens there: an answer about the database would show that it was asked.
SETTINGS = {
    "ANJU_DATABASE_URL": "postgresql://anju:of-a-test@127.0.0.1:1/anju",
    "ANJU_SECRET_KEY": "a secret key of the tests, long enough",
}
USAGE = 2
PLATE = "蒙K·A1234"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rejections", "--device", "w-1"), "--device names a device as COMMUNITY/DEVICE"),
        (("rejections", "--device", "linyin/"), "--device names a device as COMMUNITY/DEVICE"),
        (("rejections", "--device", "linyin/w-1", "--community", "jinhe"), "--device is in linyin"),
        (("rejections", "--since", "yesterday"), "write a duration such as 24h, or a time"),
        (("erase",), "give one of --plate, --user and --household"),
        (("erase", "--plate", PLATE, "--user", "x", "--reason", "r"), "give one of --plate, --user and --household"),
        (("erase", "--household", "a/1/1/101", "--community", "a"), "--household names its community itself"),
        (("erase", "--plate", "  ", "--reason", "2026-031"), "the plate or the door user is empty"),
        (("erase", "--plate", PLATE, "--reason", f"car {PLATE}"), "must not name the person"),
        (("erase", "--plate", PLATE, "--reason", "蒙k a1234 的申请"), "must not name the person"),
        (("rules", "explain"), "name an alert by its id, or a rule by --rule and its device by --device"),
        (("rules", "explain", "--rule", "water_leak"), "name an alert by its id, or a rule by --rule"),
        (("rules", "backtest", "--start", "2026-07-02", "--end", "2026-07-01"), "--start must be before --end"),
        (("backup",), "name the FOLDER for the backup, or set ANJU_BACKUP_DIR"),
        (("backup", "out", "--recipient", "age1wrong"), "begins with age1, and age-keygen prints it"),
        (("backup", "out", "--daily", "25:00"), "--daily 25:00 is no time of day: write it as 02:30"),
        (("doctor", "--watch"), "--watch goes with --device COMMUNITY/DEVICE"),
        (("simulate", "--scenario", "burst"), "burst_pipe"),
        (("simulate", "--history", "a week"), "such as 90s, 10m, 2h or 1d"),
        (("simulate", "--fault", "gas_leak"), "gas_leak"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_wrong_argument_is_answered_with_the_right_form(tmp_path, arguments, said):
    answer = invoke(*arguments, cwd=tmp_path, **SETTINGS)
    assert answer.returncode == USAGE, answer.stderr
    assert said in answer.stderr
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("rejections",),
        ("erase", "--plate", PLATE, "--reason", "2026-031", "--yes"),
        ("erase", "--household", "linyin/1/1/101", "--reason", "2026-031"),
        ("rules", "explain", "--rule", "water_leak", "--device", "linyin/w-1"),
        ("rules", "backtest"),
        ("backup", "out"),
        ("audit", "verify"),
        ("audit", "export"),
        ("doctor", "--device", "linyin/w-1"),
        ("replacement", "list", "linyin/w-1"),
    ],
    ids=" ".join,
)
def test_a_database_that_is_away_is_said_without_its_password(tmp_path, arguments):
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1") as away:  # `anju` ends with exit code 3
        invoke(*arguments, cwd=tmp_path, **SETTINGS)
    assert "of-a-test" not in str(away.value)
    assert PLATE not in str(away.value)
    assert list(tmp_path.iterdir()) == []
