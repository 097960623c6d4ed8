"""Provisioning files, from which Grafana loads the data source and all dashboards at its start."""

import json
from pathlib import Path
from typing import Any

import yaml

from grafana.datasource import Datasource
from grafana.pages import FOLDER_TITLE, FOLDER_UID, pages

PROVISIONING_FOLDER = "/etc/grafana/provisioning"
"""Folder of provisioning files in Grafana's image; the exported folder is mounted there."""

COMPOSE_DATASOURCE = Datasource(
    host="database",
    port=5432,
    database="anju",
    user="anju_grafana",
    # Grafana replaces this by the content of the file at its start.
    password="$__file{/run/secrets/grafana_database_password}",  # noqa: S106
)
"""Database as seen by Grafana in docker-compose.yml."""


def export(folder: Path, datasource: Datasource = COMPOSE_DATASOURCE) -> tuple[Path, ...]:
    """Write the files below `folder` and return their paths; the same version of Anju writes the same bytes.

    The dashboard of a removed kind is deleted; other files in the folder stay. The files are world-readable, because
    Grafana runs as another user. Pass the password as a reference, `$__file{...}`, as the default does, never in clear.

    Raises:
        OSError: The folder can't be written.
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
