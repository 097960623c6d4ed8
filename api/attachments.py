"""Routes of the photos of an alert."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Path, Response, UploadFile
from pydantic import Field

from api import messages_zh
from api.alerts import AlertId, UnknownAlertProblem
from api.changes import Idempotent, Signed
from api.household_reads import AuditedRead
from api.models import ResponseModel
from api.paging import Page
from api.parameters import Store, read_clock
from api.problems import (
    BusyProblem,
    InvalidProblem,
    Mistake,
    RefusedProblem,
    TooLargeProblem,
    UnavailableProblem,
    UnknownProblem,
    problem_responses,
)
from handling.attachments import (
    AttachmentRefusedError,
    Upload,
    add_photo,
    list_photos,
    read_photo_of,
    remove_photo,
)
from handling.photos import LARGEST_BYTES, PhotoError, PhotosBusyError, read_photo
from handling.signature import Signature
from handling.text import Name, Remark
from store.alerts.attachments import AttachmentRow, find_attachment

router = APIRouter(prefix="/alerts/{alert_id}/attachments", tags=["alerts 报警"])

AttachmentId = Annotated[UUID, Path(description="The id of a photo.")]
_JPEG = "image/jpeg"


class UnknownAttachmentProblem(UnknownProblem):
    """The alert has no photo of the id of the path."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__(
            "The alert has no photo of that id; GET .../attachments lists them.", messages_zh.ATTACHMENT_NOT_FOUND
        )


class PhotosBusyProblem(BusyProblem):
    """Many photos are being read already."""

    def __init__(self) -> None:
        """Say when to try again."""
        super().__init__("Many photos are being read; try again a little later.", messages_zh.PHOTOS_BUSY)


class Attachment(ResponseModel):
    """Photo of an alert: a JPEG without metadata. Of a removed one the content is gone."""

    id: UUID
    width: int = Field(description="In pixels.", examples=[1920])
    height: int
    bytes: int = Field(description="Size of the JPEG.")
    sha256: str = Field(description="SHA-256 of the JPEG that `content` gives.")
    received_sha256: str = Field(description="SHA-256 of the file as it was sent.")
    caption: str = Field(examples=["漏水点在表后阀门"])
    actor: str = Field(description="The person who added it.", examples=["王师傅"])
    added_at: datetime = Field(description="By the clock of the server.")
    removed_at: datetime | None
    removed_by: str | None


@router.get("", summary="List the photos of an alert (照片)", responses=problem_responses(UnknownAlertProblem()))
def list_alert_attachments(store: Store, alert_id: AlertId) -> Page[Attachment]:
    """All photos, oldest first, including removed ones."""
    with store.connection() as connection:
        rows = list_photos(connection, alert_id)
    if rows is None:
        raise UnknownAlertProblem
    return Page[Attachment](items=[Attachment.model_validate(row) for row in rows], next_cursor=None)


@router.post(
    "",
    summary="Add a photo to an alert (照片)",
    status_code=201,
    responses=problem_responses(
        UnknownAlertProblem(),
        RefusedProblem(messages_zh.TOO_MANY_PHOTOS_EXAMPLE),
        UnavailableProblem(),
        PhotosBusyProblem(),
    ),
)
def create_attachment(
    request: Idempotent,
    alert_id: AlertId,
    file: Annotated[UploadFile, File(description="JPEG, PNG or WebP of at most 8 MiB, whatever its name says.")],
    caption: Annotated[Remark, Form(description="What it shows.", examples=["漏水点在表后阀门"])] = "",
    by: Annotated[Name | None, Form(description="The acting person, as named by the holder of the shared key.")] = None,
) -> Attachment:
    """Keep the pixels of a photo as a JPEG of at most 2560 pixels a side. Location and all other metadata are left out.

    A photo that the alert has already is not added again.
    """
    signature = request.sign(Signed(by=by))
    data = file.file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise TooLargeProblem(LARGEST_BYTES)
    try:
        upload = Upload(read_photo(data), caption)
    except PhotoError as error:
        raise InvalidProblem(Mistake(["body", "file"], str(error), error.code)) from None
    except PhotosBusyError:
        raise PhotosBusyProblem from None
    with request.store.connection() as connection:
        earlier = request.earlier_subject_id(connection, "create", "attachment", None)
        try:
            row = (
                find_attachment(connection, alert_id, UUID(earlier))
                if earlier
                else add_photo(connection, alert_id, upload, signature, now=read_clock(), key=request.key)
            )
        except AttachmentRefusedError as error:
            raise RefusedProblem(str(error)) from None
    if row is None:
        raise UnknownAlertProblem
    return _shown(row)


@router.get(
    "/{attachment_id}/content",
    summary="Read a photo",
    response_class=Response,
    responses={
        200: {"description": "The photo.", "content": {_JPEG: {"schema": {"type": "string", "format": "binary"}}}},
        **problem_responses(UnknownAttachmentProblem()),
    },
)
def read_attachment(store: Store, read: AuditedRead, alert_id: AlertId, attachment_id: AttachmentId) -> Response:
    """A JPEG. Reads of photos from flats are in the audit log."""
    signature = Signature(read.principal.name, read.principal.person, read.principal.display_name)
    with store.connection() as connection:
        content = read_photo_of(connection, alert_id, attachment_id, signature, now=read.now)
    if content is None:
        raise UnknownAttachmentProblem
    return Response(
        content, media_type=_JPEG, headers={"Content-Disposition": f'attachment; filename="{attachment_id}.jpg"'}
    )


@router.post(
    "/{attachment_id}/remove",
    summary="Remove a photo",
    responses=problem_responses(UnknownAttachmentProblem(), RefusedProblem(messages_zh.PHOTO_REMOVED_EXAMPLE)),
)
def remove_attachment(
    request: Idempotent, alert_id: AlertId, attachment_id: AttachmentId, note: Signed | None = None
) -> Attachment:
    """Delete the content of a photo for good, one that shows a face for example. Hash, time and account stay."""
    signature = request.sign(note)
    with request.store.connection() as connection:
        earlier = request.earlier_subject_id(connection, "remove", "attachment", str(attachment_id))
        try:
            row = (
                find_attachment(connection, alert_id, attachment_id)
                if earlier
                else remove_photo(connection, alert_id, attachment_id, signature, now=read_clock(), key=request.key)
            )
        except AttachmentRefusedError as error:
            raise RefusedProblem(str(error)) from None
    if row is None:
        raise UnknownAttachmentProblem
    return _shown(row)


def _shown(row: AttachmentRow) -> Attachment:
    return Attachment.model_validate(row)
