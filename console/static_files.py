"""Route of styles, scripts and icons; their names hold a hash of the content, so a browser keeps them."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.files import PREFIX
from console.rendering import POLICY
from console.viewer import PageNotFoundError, services_of

router = APIRouter()

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
}


@router.get(PREFIX + "{name}")
async def read_file(request: Request, name: str) -> Response:
    """Return a file."""
    file = services_of(request).files.served.get(name)
    if file is None:
        raise PageNotFoundError
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = {**_HEADERS, "Content-Encoding": "gzip"}
        return Response(file.gzipped, HTTPStatus.OK, headers, file.media_type)
    return Response(file.content, HTTPStatus.OK, _HEADERS, file.media_type)
