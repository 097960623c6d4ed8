"""Check of the `Host` header: a page of another site must not reach the API under a name of its own.

With DNS rebinding, a site that a person visits lets its own name point at the API, and then reads it as its own.
An address, a name without a dot and the names of local networks can't be turned in that way, so they are let in.
"""

from collections.abc import Collection
from ipaddress import ip_address

# RFC 6761, RFC 6762, RFC 8375, and the reserved internal top-level domain of ICANN.
_LOCAL_DOMAINS = (".localhost", ".local", ".home.arpa", ".internal", ".lan")


def is_own_host(header: bytes | None, names: Collection[str]) -> bool:
    """Return whether a request is for this API.

    Args:
        header: The `Host` header; None of a request by HTTP/1.0, which no browser sends.
        names: Names besides the local ones. `*.example.com` stands for all below a domain, `*` for all names.
    """
    if header is None or "*" in names:
        return True
    host = header.decode("latin-1").lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.removesuffix(".")
    return _is_local(name) or any(_matches(name, pattern.lower()) for pattern in names)


def _is_local(name: str) -> bool:
    if name.endswith(_LOCAL_DOMAINS) or (name and "." not in name and ":" not in name):
        return True
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _matches(name: str, pattern: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
