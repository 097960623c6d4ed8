"""Pages made of templates, with the policy that keeps a browser from running or loading anything foreign."""

import json
from datetime import datetime
from functools import cache
from http import HTTPStatus
from uuid import uuid4

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from accounts.principal import ROLE_ZH
from console.navigation import places
from console.services import Services
from console.times import clock_time, day_time, duration, relative
from console.viewer import Viewer
from rules.model import labels_zh
from rules.model.virtual_kinds import RULE_KINDS

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}


@cache
def environment() -> Environment:
    """Return the templates; a name that no page gives is an error."""
    made = Environment(
        loader=PackageLoader("console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "day_time": day_time, "clock_time": clock_time, "relative": relative, "duration": duration,
        "kind_zh": lambda kind: RULE_KINDS[kind].zh if kind in RULE_KINDS else kind,
        "compact_json": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    }  # fmt: skip
    made.globals |= {"labels": labels_zh, "ROLE_ZH": ROLE_ZH, "new_key": lambda: str(uuid4())}
    return made


def render(
    request: Request,
    template: str,
    *,
    viewer: Viewer | None = None,
    status: int = HTTPStatus.OK,
    now: datetime | None = None,
    **facts: object,
) -> HTMLResponse:
    """Return a page, made of a template and the facts that it shows."""
    services: Services = request.app.state.services
    html = (
        environment()
        .get_template(template)
        .render(
            viewer=viewer,
            places=places(viewer.principal.role) if viewer else (),
            path=request.url.path,
            file=services.files.path,
            now=now or (viewer.now if viewer else None),
            **facts,
        )
    )
    return HTMLResponse(html, status, _HEADERS)


def redirect(request: Request, path: str) -> Response:
    """Send the browser to another page, also where htmx asked and would follow a redirect by itself."""
    if request.headers.get("hx-request"):
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={**_HEADERS, "HX-Redirect": path})
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, _HEADERS)


def local_path(text: str | None) -> str:
    """Return a path of this site to go on at; the inbox where it is none, so that no link leads elsewhere."""
    if not text or not text.startswith("/") or text.startswith("//") or "\\" in text:
        return "/"
    return "/" if any(ord(character) <= 32 for character in text) else text
