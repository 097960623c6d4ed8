"""Headers of every response: a browser keeps nothing, guesses nothing, embeds nothing and runs nothing foreign."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.docs_page import DOCS

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response; the policy is that of an answer that is no page."""

_POLICY_OF_DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTTPS_ONLY = "max-age=31536000"


class SecurityHeaders:
    """ASGI middleware that adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _complete(headers: MutableHeaders, scope: Scope) -> None:
    is_page = "Content-Security-Policy" in headers  # which has a policy of its own, and knows what may be kept
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if is_page:
        headers.setdefault("Cache-Control", "no-store")
    elif scope["path"] in DOCS:
        headers["Content-Security-Policy"] = _POLICY_OF_DOCS
        headers.setdefault("Cache-Control", "no-store")
    else:
        # This replaces a longer time of the route: an answer may hold the data of a household.
        headers["Cache-Control"] = "no-store"
    if scope.get("scheme") == "https":
        headers["Strict-Transport-Security"] = _HTTPS_ONLY
