"""Number of examples of a law, as a share of the Hypothesis profile in force (see `tests/conftest.py`)."""

from typing import Any

from hypothesis import settings

_FULL = 100  # examples of the profile `full`


def examples(number: int, **more: Any) -> settings:
    """Return settings with `number` examples under the profile `full`, and as large a share of it under any other."""
    profile = settings.default
    assert profile is not None
    return settings(max_examples=max(1, number * profile.max_examples // _FULL), **more)
