"""The route of the audit log."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.models import ResponseModel
from api.paging import Cursor, Page, PageQuery
from api.parameters import Store
from handling.text import Word
from store.admin import audit

router = APIRouter(prefix="/audit", tags=["audit 操作记录"])
_cursor = Cursor("audit", int)

Subject = Literal[
    "alert",
    "silence",
    "witnessed_test",
    "registry",
    "device",
    "replacement",
    "household",
    "notices",
    "account",
    "attachment",
    "contact",
    "duty_shift",
    "handover_note",
]


class AuditEntry(ResponseModel):
    """Change made by a person, or read of a household's data."""

    id: int
    at: datetime
    actor: str = Field(description="Key or account used; `cli` for a command at the server.")
    person: str | None = Field(
        description="Person named by the holder of a shared key, or user of the operating system.", examples=["王师傅"]
    )
    action: str = Field(examples=["assign"])
    subject: Subject
    subject_id: str = Field(description="Its id; empty for the registry and for notices.")
    before: dict[str, Any]
    after: dict[str, Any]


class AuditQuery(PageQuery):
    """Filters of the audit log."""

    subject: Subject | None = Field(None, description="Type of the changed object.")
    subject_id: Word | None = Field(None, description="Its id.")
    reads: bool = Field(False, description="List who read data of households, instead of what people changed.")


@router.get("", summary="List what people changed (操作记录)")
def list_audit(store: Store, query: Annotated[AuditQuery, Query()]) -> Page[AuditEntry]:
    """Changes by people with time, actor, and values before and after; newest first.

    With `reads`, the reads of data of devices in flats, one entry a request.
    """
    with store.connection() as connection:
        rows = audit.list_changes(
            connection,
            subject=query.subject,
            subject_id=query.subject_id,
            before=_cursor.decode(query.cursor),
            limit=query.limit + 1,
            reads=query.reads,
        )
    return Page[AuditEntry].of(rows, query.limit, AuditEntry.model_validate, lambda row: _cursor.encode(row.id))
