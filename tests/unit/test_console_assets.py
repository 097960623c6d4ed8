"""The browser libraries of the console, built from packages and read again."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.api import api
from console.assets import MissingAssetsError, read_assets
from tools.console_assets import CONSOLE, DEFINITION, FILES, copy_files, is_new_enough


@pytest.fixture
def built(tmp_path):
    for source in FILES.values():
        (tmp_path / "packages" / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / source).write_text(f"content of {source}", encoding="utf-8")
    copy_files(tmp_path / "packages", tmp_path / "vendor", FILES)
    return tmp_path


def test_each_library_is_found_by_its_name_with_the_compressed_file_beside_it(built):
    assets = read_assets(built / "vendor")
    for name, source in FILES.items():
        file = assets.folder / assets.name(name)
        assert file.read_text(encoding="utf-8") == f"content of {source}"
        assert gzip.decompress(file.with_name(f"{file.name}.gz").read_bytes()) == file.read_bytes()


def test_another_content_has_another_name(built):
    (built / "packages" / FILES["htmx.js"]).write_text("a new version", encoding="utf-8")
    copy_files(built / "packages", built / "new", FILES)
    old, new = read_assets(built / "vendor"), read_assets(built / "new")
    assert old.name("htmx.js") != new.name("htmx.js")
    assert old.name("uplot.js") == new.name("uplot.js")


def test_a_console_without_libraries_says_what_to_run(tmp_path):
    with pytest.raises(MissingAssetsError, match="run `make assets`"):
        read_assets(tmp_path)


def test_a_lost_file_is_named(built):
    lost = read_assets(built / "vendor").name("uplot.css")
    (built / "vendor" / lost).unlink()
    with pytest.raises(MissingAssetsError, match=lost):
        read_assets(built / "vendor")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"htmx.js": 3}'])
def test_a_damaged_list_is_an_error_that_says_what_to_run(built, content):
    (built / "vendor" / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(MissingAssetsError, match="run `make assets`"):
        read_assets(built / "vendor")


def test_a_name_that_nobody_built_is_an_error(built):
    with pytest.raises(MissingAssetsError, match="jquery"):
        read_assets(built / "vendor").name("jquery.js")


@given(st.integers(0, 99))
def test_node_is_new_enough_from_20_on(major):
    assert is_new_enough(f"v{major}.1.0\n") == (major >= 20)


@pytest.mark.parametrize("answer", ["", "node: not found", "v", "vx.1"])
def test_an_answer_without_a_version_is_not_new_enough(answer):
    assert not is_new_enough(answer)


def test_the_lock_holds_exactly_the_packages_with_their_hashes():
    assert all((CONSOLE / name).is_file() for name in DEFINITION)
    wanted = json.loads((CONSOLE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    packages = json.loads((CONSOLE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    locked = {path.removeprefix("node_modules/"): package for path, package in packages.items() if path}
    assert {name: package["version"] for name, package in locked.items()} == wanted
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())


def test_the_api_says_what_is_missing_before_it_starts(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("app.commands.api.configure_logging", lambda **_: None)
    monkeypatch.setattr("app.commands.api.read_assets", lambda: read_assets(tmp_path))
    served = []
    monkeypatch.setattr("app.commands.api.serve", lambda *arguments, **_: served.append(arguments))
    monkeypatch.setenv("ANJU_DATABASE_URL", "postgresql://anju@127.0.0.1/anju")
    monkeypatch.setenv("ANJU_API_KEY", "a" * 40)
    monkeypatch.setenv("ANJU_SECRET_KEY", "b" * 64)
    api()
    assert "run `make assets`" in caplog.text
    assert len(served) == 1
