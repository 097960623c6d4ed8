"""`anju grafana apply` against an HTTP server that follows the documentation of Grafana's HTTP API.

It is not Grafana: none can be installed where these tests run. It keeps state, adds ids, versions and defaults of its
own, hides passwords, and refuses with the documented codes (400, 401, 403, 404, 409, 412). What only a real Grafana
can show, such as how it rewrites a dashboard of an older schema, is not seen here.
"""

import base64
import copy
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from grafana.apply import ApplyResult, Change, apply
from grafana.datasource import Datasource, GrafanaError
from grafana.pages import pages

ADMIN, VIEWER = "token-of-an-admin", "token-of-a-viewer"
DATASOURCE = Datasource("database", 5432, "anju", "anju_grafana", "right password")
Answer = tuple[int, Any]


@dataclass
class State:
    """Objects stored by the server, and the writes it received."""

    datasources: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, Any] = field(default_factory=dict)
    dashboards: dict[str, Any] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    database_password: str = DATASOURCE.password
    writes: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        result = self.read(path) if method == "GET" else self.write(method, path, body)
        return result or (404, {"message": "Not found"})

    def read(self, path: str) -> Answer | None:
        match path.split("/"):
            case ["datasources", "uid", uid, "health"]:
                return self.health(uid)
            case ["datasources", "uid", uid]:
                return shown(self.datasources.get(uid), "Data source not found")
            case ["folders", uid]:
                return shown(self.folders.get(uid), "folder not found")
            case ["dashboards", "uid", uid]:
                return shown(self.dashboards.get(uid), "Dashboard not found")
        return None

    def write(self, method: str, path: str, body: dict[str, Any]) -> Answer | None:
        self.writes.append(f"{method} {path}")
        match method, path.split("/"):
            case "POST", ["datasources"]:
                return self.add_datasource(body)
            case "PUT", ["datasources", "uid", uid] if uid in self.datasources:
                self.datasources[uid] = self.datasources[uid] | body
                return 200, {"message": "Datasource updated"}
            case "POST", ["folders"]:
                return self.add_folder(body)
            case "POST", ["dashboards", "db"]:
                return self.save_dashboard(body)
        return None

    def add_folder(self, body: dict[str, Any]) -> Answer:
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with the same uid already exists"}
        self.folders[body["uid"]] = {"id": len(self.folders) + 1, **body}
        return 200, self.folders[body["uid"]]

    def add_datasource(self, body: dict[str, Any]) -> Answer:
        if any(body["uid"] == uid or body["name"] == other["name"] for uid, other in self.datasources.items()):
            return 409, {"message": "data source with the same name already exists"}
        stored = {"id": 7, "orgId": 1, "typeLogoUrl": "", "basicAuth": False, "readOnly": False, "version": 1}
        self.datasources[body["uid"]] = stored | body
        return 200, {"id": 7, "message": "Datasource added"}

    def health(self, uid: str) -> Answer:
        if self.datasources[uid]["secureJsonData"]["password"] != self.database_password:
            return 400, {"status": "ERROR", "message": "password authentication failed"}
        return 200, {"status": "OK", "message": "Database Connection OK"}

    def save_dashboard(self, body: dict[str, Any]) -> Answer:
        content, uid = body["dashboard"], body["dashboard"]["uid"]
        present = self.dashboards.get(uid)
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if present is not None and not body.get("overwrite"):
            return 412, {"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}
        version = present["dashboard"]["version"] + 1 if present else 1
        stored = content | {"id": 10 + len(self.dashboards), "version": version}
        stored["annotations"] = {"list": [{"builtIn": 1, "name": "Annotations & Alerts"}]}
        self.dashboards[uid] = {"dashboard": stored, "meta": {"folderUid": body["folderUid"]}}
        return 200, {"uid": uid, "status": "success", "version": version}


def shown(item: dict[str, Any] | None, missing: str) -> Answer:
    """Return a stored object without its secrets, as Grafana does."""
    if item is None:
        return 404, {"message": missing}
    visible = copy.deepcopy(item)
    secrets = visible.pop("secureJsonData", {})
    return 200, visible | ({"secureJsonFields": dict.fromkeys(secrets, True)} if secrets else {})


@dataclass(frozen=True)
class Server:
    """Running server."""

    url: str
    state: State

    def apply(self, credential: str | tuple[str, str] = ADMIN, datasource: Datasource = DATASOURCE) -> ApplyResult:
        return apply(self.url, credential, datasource)


@pytest.fixture
def server() -> Iterator[Server]:
    state = State()
    with Serving(handler(state)) as url:
        yield Server(url, state)


class Serving:
    """Serve on a free port until the end of the block."""

    def __init__(self, handle: type[BaseHTTPRequestHandler]) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handle)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def handler(state: State) -> type[BaseHTTPRequestHandler]:
    basic = "Basic " + base64.b64encode(b"admin:secret of admin").decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/api/health":
                send(self, 200, "application/json", '{"database": "ok", "version": "13.2.3"}')
            else:
                self.reply()

        def do_POST(self) -> None:
            self.reply()

        def do_PUT(self) -> None:
            self.reply()

        def reply(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            match self.headers.get("Authorization"):
                case result if result in {f"Bearer {ADMIN}", basic}:
                    status, answer = state.answer(self.command, self.path.removeprefix("/api/"), body)
                case result if result == f"Bearer {VIEWER}":
                    status, answer = 403, {"message": "You'll need additional permissions"}
                case _:
                    status, answer = 401, {"message": "Invalid API key"}
            send(self, status, "application/json", json.dumps(answer))

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler


def send(request: BaseHTTPRequestHandler, status: int, kind: str, text: str) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(text.encode())))
    request.end_headers()
    request.wfile.write(text.encode())


def test_an_empty_grafana_gets_everything(server: Server) -> None:
    applied = server.apply()
    assert set(applied.changes.values()) == {Change.CREATED}
    assert set(server.state.dashboards) == {page.uid for page in pages()}
    assert {stored["meta"]["folderUid"] for stored in server.state.dashboards.values()} == {"anju"}
    assert server.state.datasources["anju"]["url"] == "database:5432"


def test_a_second_run_changes_nothing(server: Server) -> None:
    server.apply()
    before, server.state.writes = copy.deepcopy(server.state), []
    before.writes = []
    applied = server.apply()
    assert not applied.changed
    assert server.state == before


def test_a_change_made_in_the_browser_is_reverted(server: Server) -> None:
    server.apply()
    stored = server.state.dashboards["anju-camera"]
    stored["dashboard"]["panels"][3]["title"] = "改过"
    server.state.dashboards["anju-gateway"]["meta"]["folderUid"] = "elsewhere"
    changes = server.apply().changes
    assert {name for name, change in changes.items() if change is not Change.UNCHANGED} == {
        "dashboard anju-camera",
        "dashboard anju-gateway",
    }
    assert not server.apply().changed


def test_a_panel_added_in_the_browser_is_removed_again(server: Server) -> None:
    server.apply()
    server.state.dashboards["anju-camera"]["dashboard"]["panels"].append({"id": 99})
    assert server.apply().changes["dashboard anju-camera"] is Change.UPDATED


def test_a_moved_database_is_followed(server: Server) -> None:
    server.apply()
    changes = server.apply(datasource=replace(DATASOURCE, host="other")).changes
    assert [name for name, change in changes.items() if change is not Change.UNCHANGED] == ["datasource anju"]
    assert server.state.datasources["anju"]["url"] == "other:5432"


def test_a_new_password_is_written_although_grafana_never_shows_the_old_one(server: Server) -> None:
    server.apply()
    changed = replace(DATASOURCE, password=DATASOURCE.password[::-1])
    server.state.database_password = changed.password
    assert server.apply(datasource=changed).changes["datasource anju"] is Change.UPDATED
    assert not server.apply(datasource=changed).changed


def test_user_and_password_work_like_a_token(server: Server) -> None:
    assert server.apply(("admin", "secret of admin")).changed


def refused(action: Callable[[], object], *expected: str) -> None:
    with pytest.raises(GrafanaError) as error:
        action()
    message = str(error.value)
    assert all(part in message for part in expected), message
    assert "password authentication" in message or "password" not in message
    assert ADMIN not in message
    assert "wrong" not in message


def test_a_wrong_token_says_how_to_get_one(server: Server) -> None:
    refused(lambda: server.apply("wrong"), "refuses the credential", "service account", "ANJU_GRAFANA_TOKEN")
    assert server.state.writes == []


def test_a_token_without_the_right_role_says_which_role_it_needs(server: Server) -> None:
    refused(lambda: server.apply(VIEWER), "additional permissions", "the role Admin")


def test_a_database_that_grafana_cannot_read_is_an_error_after_all_else_is_done(server: Server) -> None:
    server.state.database_password = DATASOURCE.password[::-1]
    refused(server.apply, "password authentication failed", "database:5432", "anju_grafana")
    assert len(server.state.dashboards) == len(pages())


def test_a_data_source_of_the_same_name_is_named_in_the_refusal(server: Server) -> None:
    server.state.datasources["other"] = {"name": "安居"}
    refused(server.apply, "same name already exists")


def test_a_dashboard_from_provisioning_files_says_to_choose_one_way(server: Server) -> None:
    server.apply()
    server.state.provisioned.add("anju-overview")
    server.state.dashboards["anju-overview"]["meta"]["provisioned"] = True
    refused(server.apply, "anju-overview", "anju grafana export")


def test_an_unreachable_address_is_reported_without_the_credential() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://admin:wrong@127.0.0.1:{port}"
    refused(lambda: apply(url, ADMIN, DATASOURCE), f"http://127.0.0.1:{port} can't be reached")


def test_another_program_at_the_address_is_recognised() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            send(self, 200, "text/html", "<h1>welcome</h1>")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with Serving(Page) as url:
        refused(lambda: apply(url, ADMIN, DATASOURCE), "is not Grafana")


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://grafana", ""])
def test_an_invalid_address_is_refused(url: str) -> None:
    refused(lambda: apply(url, ADMIN, DATASOURCE), "must read http://host:port")
