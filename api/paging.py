"""Pages of lists, and the opaque cursors between them.

A cursor is the key of the last item of a page (keyset pagination). Insertions and deletions between two requests make
no other item appear twice or vanish.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api import messages_zh
from api.problems import InvalidProblem, Mistake
from handling.text import VISIBLE

Row = TypeVar("Row")
Item = TypeVar("Item")
Key = TypeVar("Key")


class PageQuery(BaseModel):
    """Query parameters of a list. Unknown ones are refused instead of being ignored silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(100, ge=1, le=1000, description="How many items at most.")
    cursor: Annotated[str, Field(max_length=1024), VISIBLE] | None = Field(
        None, description="`next_cursor` of the preceding page."
    )


class Page(BaseModel, Generic[Item]):
    """Page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Leads to the next page; null on the last one.")

    @classmethod
    def of(
        cls, rows: Sequence[Row], limit: int, translate: Callable[[Row], Item], cursor: Callable[[Row], str]
    ) -> Self:
        """Make a page from at most `limit + 1` rows; the extra row shows that another page follows."""
        page, has_next = rows[:limit], len(rows) > limit
        return cls(items=[translate(row) for row in page], next_cursor=cursor(page[-1]) if has_next else None)


class Cursor(Generic[Key]):
    """Codec for the cursors of one list; `Key` is the type of its sort key."""

    def __init__(self, name: str, shape: type[Key]) -> None:
        """Make a codec; the name keeps the cursors of different lists apart."""
        self._adapter: TypeAdapter[tuple[str, Key]] = TypeAdapter(tuple[str, shape])  # type: ignore[valid-type]
        self._name = name

    def encode(self, key: Key) -> str:
        """Return the cursor for the page after the item with this key."""
        return base64.urlsafe_b64encode(self._adapter.dump_json((self._name, key))).decode().rstrip("=")

    def decode(self, text: str | None) -> Key | None:
        """Return the key in a cursor, or None for the first page.

        Raises:
            InvalidProblem: The text is no cursor of this list.
        """
        if text is None:
            return None
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            name, key = self._adapter.validate_json(content)
        except (binascii.Error, ValidationError, ValueError):
            name = None
        if name != self._name:
            raise InvalidProblem(
                Mistake(
                    ["query", "cursor"],
                    "is no cursor of this list; leave it out to start again",
                    "cursor_invalid",
                    messages_zh.CURSOR_INVALID,
                )
            )
        return key
