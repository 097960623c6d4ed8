"""`anju grafana export`: the provisioning files for a Grafana beside Anju."""

import json
from pathlib import Path

from cli import anju, invoke
from devices.catalogue import KINDS


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_export_writes_a_data_source_and_a_dashboard_for_every_kind(tmp_path):
    done = invoke("grafana", "export", "provisioning", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = contents(tmp_path)
    assert {Path(line) for line in done.stdout.splitlines()} == set(files)
    dashboards = [json.loads(text) for path, text in files.items() if path.suffix == ".json"]
    assert {page["uid"] for page in dashboards} == {"anju-overview", *(f"anju-{kind.name}" for kind in KINDS)}
    assert any(path.parts[1] == "datasources" for path in files)


def test_a_second_export_writes_the_same(tmp_path):
    exports = []
    for _ in range(2):
        assert invoke("grafana", "export", tmp_path / "provisioning", cwd=tmp_path).returncode == 0
        exports.append(contents(tmp_path))
    assert exports[0] == exports[1]


def test_an_impossible_folder_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = anju("grafana", "export", tmp_path / "file" / "provisioning", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "file") in done.stderr
