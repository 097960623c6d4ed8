"""Roles of the database in docker-compose.yml, and their secrets in a folder of an older version."""

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from store.admin.roles import Role

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]
SCRIPT = ["/bin/sh", str(ROOT / "deploy" / "make-secrets.sh")]


def secrets(name: str) -> list[str]:
    """Return the secret files of a service."""
    return [item["source"] if isinstance(item, dict) else item for item in SERVICES[name].get("secrets", [])]


def content(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8").strip()


def test_each_part_logs_in_to_the_database_with_its_own_role() -> None:
    used = {name: {secret for secret in secrets(name) if secret.endswith("database_url")} for name in SERVICES}
    roles = used.pop("roles")
    assert roles == {"anju_database_url", *(f"{role.removeprefix('anju_')}_database_url" for role in Role)}
    parts = {"migrate": "owner", "ingest": "ingest", "api": "api", "worker": "worker", "operator": "operator"}
    parts |= {"door": "door", "backup": "operator"}
    assert {name: urls for name, urls in used.items() if urls} == {
        name: {f"{role}_database_url"} for name, role in parts.items()
    }
    assert [name for name in SERVICES if "postgres_password" in secrets(name)] == ["database"]


def test_an_older_folder_gets_the_new_secrets_and_keeps_its_own(tmp_path: Path) -> None:
    secret_folder = tmp_path / "made" / "secrets"
    secret_folder.parent.mkdir()
    subprocess.run([*SCRIPT, str(secret_folder)], check=True, capture_output=True)
    older = tmp_path / "older" / "secrets"
    older.mkdir(mode=0o700, parents=True)
    new = {f"{role.removeprefix('anju_')}_database_url" for role in Role}
    for file in secret_folder.iterdir():
        if file.name not in new:
            (older / file.name).write_bytes(file.read_bytes())
    kept = {path.name: path.read_bytes() for path in older.iterdir()}
    script = [*SCRIPT, str(older)]
    subprocess.run(script, check=True, capture_output=True)
    assert {path.name for path in older.iterdir()} == {path.name for path in secret_folder.iterdir()}
    assert {name: (older / name).read_bytes() for name in kept} == kept
    url = urlsplit(content(older, "grafana_database_url"))
    assert url.password == content(older, "grafana_database_password")
    assert (
        urlsplit(content(older, "api_database_url")).password != urlsplit(content(older, "owner_database_url")).password
    )
    assert subprocess.run(script, check=False, capture_output=True).returncode == 1
    assert [path.name for path in older.parent.iterdir()] == ["secrets"], "nothing half made is left"
