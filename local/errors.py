"""Root of the exceptions of `local`."""


class LocalError(Exception):
    """A local service is not available or does not run; the message names the reason and the remedy."""
