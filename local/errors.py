"""The root of everything that `local` raises."""


class LocalError(Exception):
    """A local service cannot be had or does not run; the message says what happened and what to do."""
