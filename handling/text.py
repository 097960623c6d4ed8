"""Types of text from outside: one line of visible characters, as in files of an import."""

from typing import Annotated

from pydantic import BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

from devices.text import visible
from handling.words_zh import HIDDEN_CHARACTERS


def _refuse_hidden(value: object) -> object:
    if isinstance(value, str) and visible(value) != value:
        raise PydanticCustomError("hidden_character", HIDDEN_CHARACTERS)
    return value


# Before the constraints: stripping would take a line separator at the end for a blank.
VISIBLE = BeforeValidator(_refuse_hidden)

Word = Annotated[str, StringConstraints(max_length=200), VISIBLE]
"""Id, name or other word to look for."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), VISIBLE]
"""Name that is stored, of a person for example."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), VISIBLE]
"""Sentences of a person that are stored."""

Remark = Annotated[str, StringConstraints(max_length=2000), VISIBLE]
"""Sentences that may be empty."""
