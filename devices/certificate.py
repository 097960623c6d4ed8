"""Names in the certificate of a device."""

LONGEST_COMMON_NAME = 64
"""The bound `ub-common-name` of RFC 5280, appendix A."""

CERTIFICATE_URI = "anju:"
"""The scheme of the subject alternative name of a device: `anju:{username}#{fingerprint}`.

A username may be longer than a common name. The fingerprint is of the secret that the device had at the issue of the
certificate, which is therefore void when the secret is replaced.
"""


def certificate_uri(username: str, fingerprint: str) -> str:
    """Return the subject alternative name of a device."""
    return f"{CERTIFICATE_URI}{username}#{fingerprint}"
