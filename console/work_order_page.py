"""Work order of an alert: a page of paper, which has a policy and a style of its own."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from console.viewer import PageNotFoundError, Serving, Viewing
from handling.contacts import Contacts
from handling.work_order import page_policy, read_work_order, to_html

router = APIRouter()


@router.get("/alerts/{alert_id}/work-order")
def work_order_page(viewer: Viewing, services: Serving, alert_id: UUID) -> HTMLResponse:
    """Show the work order to print. The read of its contacts is recorded."""
    with viewer.store.connection() as connection:
        contacts = Contacts(connection, services.seal, viewer.sign(), viewer.now)
        order = read_work_order(connection, alert_id, contacts, viewer.now)
    if order is None:
        raise PageNotFoundError
    headers = {"Content-Security-Policy": page_policy(), "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
    return HTMLResponse(to_html(order), headers=headers)
