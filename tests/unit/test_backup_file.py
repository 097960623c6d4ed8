"""The file of a backup is opened by its own keys only, to its last byte, and every damage is said."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backup_file import (
    WrongKeyError,
    discard,
    identity_of,
    key_id_of,
    parse_recipient,
    read_backup,
    read_identities,
    waiting_words,
    write_backup,
)
from store.admin.backup import BackupError, Contents

KEY = "correct horse battery staple"
OWN = identity_of(KEY)
PUBLIC = OWN.to_public()
CONTENTS = Contents(
    made_at=datetime(2026, 7, 1, 3, 30, tzinfo=UTC),
    migrations=("20260101000001", "20260201000002"),
    postgresql=17,
    timescaledb="2.23.0",
    roles=("anju_owner", "anju_api"),
    rows={"alert": 12, "小区": 3},
    caught_up=True,
    caught_up_at=datetime(2026, 7, 1, 3, 29, 59, 250_000, tzinfo=UTC),
    key_id=key_id_of(KEY),
)

# A backup of years ago must open: the derivation from the secret key and its labels are part of the format.
PUBLIC_OF_YEARS_AGO = "age1sha2e8kwprv9jwxcmdqmxjr2f7455x9d9hguphesvlymmve5xcmssngq8t"
KEY_ID_OF_YEARS_AGO = "7ab2952fb8df0345"


class Opened:
    """Reader of a backup that keeps its description and its dump."""

    def __init__(self, file, *identities):
        self.contents = []
        self.dump = io.BytesIO()
        self.bytes = read_backup(file, identities, self.begin)

    def begin(self, contents):
        self.contents.append(contents)
        return self.dump


def written(folder, dump=b"PGDMP", contents=CONTENTS, recipients=(PUBLIC,)):
    file = folder / "one.backup.age"
    write_backup(file, contents, io.BytesIO(dump), recipients)
    return file


def encrypted(folder, content):
    """Write a file of age that `anju backup` did not make."""
    file = folder / "other.age"
    file.write_bytes(pyrage.encrypt(content, [PUBLIC]))
    return file


times = st.none() | st.datetimes(timezones=st.just(UTC))
contents = st.builds(
    Contents,
    made_at=st.datetimes(timezones=st.just(UTC)),
    migrations=st.lists(st.text()).map(tuple),
    postgresql=st.integers(12, 99),
    timescaledb=st.text(),
    roles=st.lists(st.text()).map(tuple),
    rows=st.dictionaries(st.text(), st.integers(0)),
    caught_up=st.booleans(),
    caught_up_at=times,
    key_id=st.text(),
)


@given(contents, st.binary(max_size=200) | st.integers(65_000, 140_000).map(lambda size: b"\n\x00" * (size // 2)))
def test_what_was_written_is_read_again_whatever_it_is(tmp_path_factory, contents, dump):
    opened = Opened(written(tmp_path_factory.mktemp("backup"), dump, contents), OWN)
    assert (opened.contents, opened.dump.getvalue(), opened.bytes) == ([contents], dump, len(dump))


def test_each_of_several_recipients_opens_the_file_alone(tmp_path):
    safe = pyrage.x25519.Identity.generate()
    file = written(tmp_path, b"dump", recipients=[PUBLIC, parse_recipient(str(safe.to_public()))])
    for identity in (OWN, safe):
        assert Opened(file, pyrage.x25519.Identity.generate(), identity).dump.getvalue() == b"dump"


def test_a_file_is_readable_by_its_owner_only_and_never_written_over(tmp_path):
    file = written(tmp_path, b"dump")
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        written(tmp_path, b"another dump")
    assert file.read_bytes() == before


def test_the_size_in_bytes_is_that_of_the_file(tmp_path):
    file = tmp_path / "one.backup.age"
    assert write_backup(file, CONTENTS, io.BytesIO(b"x" * 70_000), [PUBLIC]) == file.stat().st_size > 70_000


def test_nothing_of_the_backup_stands_in_the_file_in_the_clear(tmp_path):
    stored = written(tmp_path, b"name: Wang Xiaoming").read_bytes()
    assert b"Wang" not in stored
    assert b"anju_owner" not in stored


def test_another_key_is_told_from_damage_and_the_remedy_is_named(tmp_path):
    with pytest.raises(WrongKeyError, match=r"set ANJU_SECRET_KEY to the one .* or name the identity file"):
        Opened(written(tmp_path), identity_of("another key"))


@given(st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused_and_never_taken_for_a_shorter_backup(tmp_path_factory, share):
    file = written(tmp_path_factory.mktemp("backup"), b"d" * 70_000)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BackupError, match=r"truncated|beginning is damaged"):
        read_backup(file, [OWN], discard)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_changed_byte_is_noticed_wherever_it_stands(tmp_path_factory, share, flipped):
    file = written(tmp_path_factory.mktemp("backup"), b"d" * 70_000)
    changed = bytearray(file.read_bytes())
    changed[int(share * len(changed))] ^= flipped
    file.write_bytes(changed)
    with pytest.raises(BackupError):
        read_backup(file, [OWN], discard)


@pytest.mark.parametrize("content", [b"a letter\n", b"[1]\n", b'{"anju":1}\n', b"no end of a line " * 70_000])
def test_a_file_of_age_with_something_else_inside_is_called_none_of_anju_backup(tmp_path, content):
    with pytest.raises(BackupError, match="none of `anju backup`"):
        read_backup(encrypted(tmp_path, content), [OWN], discard)


@pytest.mark.parametrize("content", [b"", b"a short text without an end"])
def test_an_encrypted_file_without_a_description_is_refused(tmp_path, content):
    with pytest.raises(BackupError, match="holds no description"):
        read_backup(encrypted(tmp_path, content), [OWN], discard)


def test_a_backup_of_a_later_format_asks_for_a_newer_anju(tmp_path):
    with pytest.raises(BackupError, match="has format 2, and this Anju reads 1: use a newer one"):
        read_backup(encrypted(tmp_path, b'{"anju_backup": 2, "new": {}}\n'), [OWN], discard)


def test_a_file_that_is_no_age_file_is_called_no_backup(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("PGDMP, but in the clear")
    with pytest.raises(BackupError, match="is no backup"):
        read_backup(file, [OWN], discard)


def test_a_full_disk_of_the_receiver_is_not_taken_for_a_damaged_backup(tmp_path):
    class Full:
        def write(self, _data):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as caught:
        read_backup(written(tmp_path, b"dump"), [OWN], lambda _: Full())
    assert not isinstance(caught.value, BackupError)


def test_the_pair_of_a_key_does_not_change_between_versions():
    assert str(identity_of("of years ago").to_public()) == PUBLIC_OF_YEARS_AGO
    assert key_id_of("of years ago") == KEY_ID_OF_YEARS_AGO


def test_a_file_of_age_keygen_is_read_with_its_comments():
    one, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    text = f"# created: 2026-07-01\n# public key: {one.to_public()}\n{one}\n\n  {other}  \n"
    assert [str(each) for each in read_identities(text)] == [str(one), str(other)]


@pytest.mark.parametrize("text", ["", "\n\n", "# created: 2026-07-01\n"])
def test_an_identity_file_without_a_key_says_how_its_line_begins(text):
    with pytest.raises(BackupError, match="begins with AGE-SECRET-KEY-1"):
        read_identities(text)


def test_a_damaged_identity_is_refused_without_being_shown():
    damaged = f"{str(OWN)[:-1]}x"
    with pytest.raises(BackupError, match="no secret key of age") as caught:
        read_identities(damaged)
    assert damaged[16:] not in str(caught.value)


@pytest.mark.parametrize("text", ["", "age1", "ssh-ed25519 AAAA", str(OWN), str(PUBLIC)[:-1]])
def test_what_is_no_public_key_is_refused_with_the_form_of_one(text):
    with pytest.raises(BackupError, match="begins with age1, and age-keygen prints it"):
        parse_recipient(text)


def test_the_words_about_the_broker_name_the_time_from_which_messages_may_be_missing():
    behind = replace(CONTENTS, caught_up=False)
    assert waiting_words(CONTENTS) == "Ingest was caught up: no message waited in the broker."
    assert "since 2026-07-01 03:29:59 UTC may have waited" in waiting_words(behind)
    assert "since before the first ingest" in waiting_words(replace(behind, caught_up_at=None))
