"""What the service state of devices means for their open alerts: out of service, nobody is notified of them."""

from datetime import datetime
from uuid import UUID

from store.alerts.suppression import CauseName, release, suppress
from store.alerts.transitions import lock_transitions
from store.database import Connection

OUT_OF_SERVICE_ZH = "设备已停用"


def update_out_of_service(connection: Connection, communities: list[str], now: datetime) -> frozenset[UUID]:
    """Suppress the open alerts of devices that are out of service, and release those of devices that are back.

    Inside the caller's transaction. The alerts that were released come back; people may have to be told of them now.
    """
    lock_transitions(connection)
    rows = connection.execute(
        """
        SELECT alert.id, device.service = 'out_of_service'
        FROM alert JOIN device ON device.id = alert.device_id
        WHERE alert.process <> 'ended' AND device.community = ANY (%(communities)s)
          AND (device.service = 'out_of_service') <> EXISTS (
              SELECT FROM alert_suppression AS own
              WHERE own.alert_id = alert.id AND own.cause = 'out_of_service'
                AND own.since <= %(now)s AND (own.until IS NULL OR own.until > %(now)s)
          )
        """,
        {"communities": communities, "now": now},
    ).fetchall()
    out = [alert_id for alert_id, is_out in rows if is_out]
    back = [alert_id for alert_id, is_out in rows if not is_out]
    if out:
        suppress(connection, out, CauseName.OUT_OF_SERVICE, since=now, detail=OUT_OF_SERVICE_ZH)
    return release(connection, back, CauseName.OUT_OF_SERVICE, at=now) if back else frozenset()
