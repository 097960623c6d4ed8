"""Application of data source, folder and dashboards to a running Grafana over its HTTP API, by uid."""

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError

from grafana.datasource import UID, Datasource, GrafanaError
from grafana.pages import FOLDER_TITLE, FOLDER_UID, Page, pages

_TIMEOUT_S = 15.0
_MESSAGE = "anju grafana apply"
# grafana-client is marked as typed, but its methods have no annotations.
_Api = Any


class Change(enum.StrEnum):
    """Effect of applying on one object in Grafana."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class ApplyResult:
    """Effects by object: `datasource anju`, `folder anju`, `dashboard anju-overview`."""

    changes: dict[str, Change]

    @property
    def changed(self) -> bool:
        """Whether any object was created or updated."""
        return any(change is not Change.UNCHANGED for change in self.changes.values())


def apply(url: str, credential: str | tuple[str, str], datasource: Datasource) -> ApplyResult:
    """Create or update the data source, the folder and the dashboards; a second run changes nothing.

    Changes made in the browser are reverted. Grafana never shows a stored password, so an equal data source that does
    not work is written again.

    Args:
        url: Root of Grafana, such as `http://localhost:3000`.
        credential: A service account token, or user and password.
        datasource: Database as seen from Grafana.

    Raises:
        GrafanaError: Grafana can't be reached, refuses the credential or a change, or can't reach the database.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise GrafanaError("Grafana's address must read http://host:port or https://host")
    with _translate_errors(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"):
        api: _Api = GrafanaApi.from_url(url, credential, timeout=_TIMEOUT_S)
        _check_is_grafana(api)
        changes = {f"datasource {UID}": _apply_datasource(api, datasource)}
        changes[f"folder {FOLDER_UID}"] = _apply_folder(api)
        for page in pages():
            changes[f"dashboard {page.uid}"] = _apply_page(api, page)
        problem = _datasource_problem(api)
    if problem is not None:
        raise GrafanaError(
            f"the dashboards are in Grafana, but it can't read the database at {datasource.host}:{datasource.port}: "
            f"{problem}. The address must be right as seen from Grafana, and the role {datasource.user} must exist"
        )
    return ApplyResult(changes)


def _check_is_grafana(api: _Api) -> None:
    """Require Grafana's health report: many programs answer any path with a page of their own."""
    answer = api.client.GET("/health")
    if not isinstance(answer, dict) or "database" not in answer:
        raise TypeError("no health report of Grafana")


def _apply_datasource(api: _Api, datasource: Datasource) -> Change:
    definition = datasource.definition()
    current = _get_or_none(lambda: api.datasource.get_datasource_by_uid(UID))
    if current is None:
        api.datasource.create_datasource(definition)
        return Change.CREATED
    visible = {name: value for name, value in definition.items() if name != "secureJsonData"}
    if _contains(visible, current) and _datasource_problem(api) is None:
        return Change.UNCHANGED
    api.datasource.update_datasource_by_uid(UID, definition)
    return Change.UPDATED


def _apply_folder(api: _Api) -> Change:
    if _get_or_none(lambda: api.folder.get_folder(FOLDER_UID)) is not None:
        return Change.UNCHANGED
    api.folder.create_folder(FOLDER_TITLE, uid=FOLDER_UID)
    return Change.CREATED


def _apply_page(api: _Api, page: Page) -> Change:
    current = _get_or_none(lambda: api.dashboard.get_dashboard(page.uid))
    if current is not None:
        if current["meta"].get("provisioned"):
            raise GrafanaError(
                f"the dashboard {page.uid} comes from provisioning files, which Grafana protects from changes: "
                "use either the files (anju grafana export) or the API (anju grafana apply)"
            )
        if current["meta"].get("folderUid") == FOLDER_UID and _contains(page.content, current["dashboard"]):
            return Change.UNCHANGED
    api.dashboard.update_dashboard(
        {"dashboard": page.content, "folderUid": FOLDER_UID, "overwrite": True, "message": _MESSAGE}
    )
    return Change.CREATED if current is None else Change.UPDATED


def _datasource_problem(api: _Api) -> str | None:
    """Return Grafana's reason for not reading the database, or None if it can."""
    try:
        answer = api.datasource.health(UID)
    except GrafanaClientError as error:
        # Grafana reports a data source that does not work with status 400.
        if error.status_code != 400:
            raise
        answer = error.response
    if not isinstance(answer, dict):
        return str(answer)
    return None if answer.get("status") == "OK" else str(answer.get("message", answer))


def _get_or_none(read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return read()
    except GrafanaClientError as error:
        if error.status_code == 404:
            return None
        raise


def _contains(definition: object, current: object) -> bool:
    """Return whether `current` contains `definition`; Grafana adds ids, versions and defaults of its own."""
    match definition, current:
        case dict(), dict():
            return all(name in current and _contains(value, current[name]) for name, value in definition.items())
        case list(), list():
            return len(definition) == len(current) and all(map(_contains, definition, current))
        case _:
            return definition == current


@contextmanager
def _translate_errors(address: str) -> Iterator[None]:
    """Translate errors of the client into one sentence with the remedy, without the credential."""
    try:
        yield
    except GrafanaUnauthorizedError as error:
        raise GrafanaError(
            f"Grafana at {address} refuses the credential: make a service account with the role Admin there, "
            "and set its token as ANJU_GRAFANA_TOKEN"
        ) from error
    except GrafanaException as error:
        hint = ": the service account needs the role Admin" if error.status_code == 403 else ""
        raise GrafanaError(f"Grafana at {address} refuses: {error.message}{hint}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GrafanaError(f"what answers at {address} is not Grafana: check the address") from error
    except OSError as error:
        raise GrafanaError(f"Grafana at {address} can't be reached: is it running, is the address right?") from error
