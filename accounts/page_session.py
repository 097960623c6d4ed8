"""Cookie of a page's session, and the check that a form was sent by a page of this site."""

from collections.abc import Mapping
from datetime import datetime

_PLAIN = "anju"
# The prefix binds the cookie to this host and to TLS (RFC 6265bis, 4.1.3.2): a neighbour can't plant one.
_SECURE = "__Host-anju"


def cookie_name(*, secure: bool) -> str:
    """Return the name of the cookie, which depends on whether the page came by TLS."""
    return _SECURE if secure else _PLAIN


def read_cookie(header: str, *, secure: bool) -> str | None:
    """Return the token in a `Cookie` header; None without one."""
    name = cookie_name(secure=secure)
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name and value:
            return value
    return None


def session_cookie(token: str, expires_at: datetime, now: datetime, *, secure: bool) -> str:
    """Return the `Set-Cookie` header of a session; no script can read it, and no other site's form sends it along."""
    most = max(0, int((expires_at - now).total_seconds()))
    return f"{cookie_name(secure=secure)}={token}; Path=/; Max-Age={most}; HttpOnly; SameSite=Lax" + (
        "; Secure" if secure else ""
    )


def is_same_origin(headers: Mapping[bytes, bytes], *, scheme: str) -> bool:
    """Return whether a changing request comes from a page of this site (OWASP, cross-site request forgery).

    `Sec-Fetch-Site` tells it; old browsers send `Origin` alone. A request with neither is by no browser.
    """
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site in {b"same-origin", b"none"}
    origin = headers.get(b"origin")
    if origin is None:
        return True
    return origin == scheme.encode() + b"://" + headers.get(b"host", b"")
