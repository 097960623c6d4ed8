"""Page to try the API: Swagger UI, with every file from this server and no script in the page itself."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from api import messages_zh
from api.problems import UnknownProblem

router = APIRouter(include_in_schema=False)

# The package is made for Django and imports it, so that its files are found without an import.
_PACKAGE = "drf_spectacular_sidecar"
_FOLDER = Path("static", _PACKAGE, "swagger-ui-dist")
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_CACHED = {"Cache-Control": "public, max-age=3600"}

_PAGE = """<!DOCTYPE html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Anju 安居 - API</title>
<link rel="icon" href="{root}/docs/favicon-32x32.png">
<link rel="stylesheet" href="{root}/docs/swagger-ui.css">
<script src="{root}/docs/swagger-ui-bundle.js" defer></script>
<script src="{root}/docs/start.js" defer></script>
</head>
<body><div id="swagger-ui"></div></body>
</html>
"""
_START = """SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""

DOCS = frozenset({"/docs", "/docs/start.js", *(f"/docs/{name}" for name in _FILES)})
"""Paths of the page and its files."""


@router.get("/docs")
async def read_page(request: Request) -> HTMLResponse:
    """Return the page; behind a proxy that serves the API below a path, its links begin with that path."""
    return HTMLResponse(_PAGE.format(root=request.scope.get("root_path", "")))


@router.get("/docs/start.js")
async def read_start() -> Response:
    """Return the script that fills the page: the policy of the page allows none within it."""
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
async def read_file(name: str) -> FileResponse:
    """Return a file of Swagger UI."""
    if name not in _FILES:
        raise UnknownProblem("The page has no such file.", messages_zh.NO_SUCH_FILE)
    return FileResponse(_folder() / name, media_type=_FILES[name], headers=_CACHED)


def _folder() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the files of /docs are not installed: {_PACKAGE} is missing")
    return Path(spec.origin).parent / _FOLDER
