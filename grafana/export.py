"""Provisioning files: a Grafana that finds them at its start has the data source and every dashboard."""

import json
from pathlib import Path
from typing import Any

import yaml

from grafana.datasource import Datasource
from grafana.pages import FOLDER_TITLE, FOLDER_UID, pages

PROVISIONING_FOLDER = "/etc/grafana/provisioning"
"""Where Grafana's own image looks for provisioning files; the exported folder is mounted there."""

COMPOSE_DATASOURCE = Datasource(
    host="database",
    port=5432,
    database="anju",
    user="anju_grafana",
    # Grafana itself puts the content of the file here when it starts.
    password="$__file{/run/secrets/grafana_database_password}",  # noqa: S106
)
"""The database as docker-compose.yml lets Grafana see it."""


def export(folder: Path, datasource: Datasource = COMPOSE_DATASOURCE) -> tuple[Path, ...]:
    """Write the files below `folder` and return their paths; the same version of Anju writes the same bytes.

    A dashboard of a kind that is gone is removed; other files in the folder stay. The files are readable for
    everybody, because Grafana runs as another user: give the password as a reference, `$__file{...}`, as the default
    does, and never as itself.

    Raises:
        OSError: the folder can't be written.
    """
    dashboards = folder / "dashboards" / "anju"
    texts = {
        folder / "datasources" / "anju.yaml": _yaml(
            {"apiVersion": 1, "datasources": [datasource.definition() | {"editable": False}]}
        ),
        folder / "dashboards" / "anju.yaml": _yaml({"apiVersion": 1, "providers": [_provider()]}),
    }
    texts |= {dashboards / f"{page.uid}.json": _json(page.content) for page in pages()}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    for stale in set(dashboards.glob("anju-*.json")) - set(texts):
        stale.unlink()
    return tuple(texts)


def _provider() -> dict[str, Any]:
    return {
        "name": "anju",
        "folder": FOLDER_TITLE,
        "folderUid": FOLDER_UID,
        "type": "file",
        "allowUiUpdates": False,
        "updateIntervalSeconds": 60,
        "options": {"path": f"{PROVISIONING_FOLDER}/dashboards/anju"},
    }


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, allow_unicode=True, sort_keys=True)
    return text


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
