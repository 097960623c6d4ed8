"""Settings of personal data: the secret keys, and how long events are kept."""

from datetime import timedelta

import pytest

from app.settings import Settings, SettingsError

OLD, OLDER = "o" * 20, "p" * 32


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Let no file of this machine play a part."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("between", [",", ", ", "\n", ",\n"])
def test_earlier_keys_are_a_list(monkeypatch, between):
    assert Settings.load().earlier_secret_keys == ()
    monkeypatch.setenv("ANJU_SECRET_KEY_OLD", f"{OLD}{between}{OLDER}\n")
    assert Settings.load().earlier_secret_keys == (OLD.encode(), OLDER.encode())
    assert OLD not in repr(Settings.load())


def test_an_empty_file_is_no_earlier_key(monkeypatch):
    monkeypatch.setenv("ANJU_SECRET_KEY_OLD", "")
    assert Settings.load().earlier_secret_keys == ()


def test_events_of_doors_and_gates_are_kept_for_half_a_year_unless_a_setting_says_otherwise(monkeypatch):
    days = {"access_control": timedelta(days=180), "vehicle_gate": timedelta(days=180)}
    assert Settings.load().event_retention == days
    monkeypatch.setenv("ANJU_EVENT_RETENTION_DAYS", "vehicle_gate=30, camera = 7")
    changed = {"vehicle_gate": timedelta(days=30), "camera": timedelta(days=7)}
    assert Settings.load().event_retention == days | changed


@pytest.mark.parametrize("text", ["30", "gate=30", "camera=", "camera=0", "camera=-1", "camera=1.5", "camera=30;"])
def test_other_texts_are_refused_and_name_the_kinds(monkeypatch, text):
    monkeypatch.setenv("ANJU_EVENT_RETENTION_DAYS", text)
    with pytest.raises(SettingsError, match=r"ANJU_EVENT_RETENTION_DAYS: must be kind=days .*vehicle_gate"):
        Settings.load()
