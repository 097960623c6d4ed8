"""Handing in a job inside one's own transaction. Ingest does; it needs nothing else of the queue."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from store.database import Connection

NOTICE_TASK = "tell"
"""The task that looks at alerts which were raised or ended, and settles who is told."""


def defer_notice_job(connection: Connection, alert_ids: Sequence[UUID], not_before: datetime | None = None) -> None:
    """Have people told of alerts that were raised or ended in the caller's transaction: one job for all of them."""
    connection.execute(
        """
        SELECT procrastinate_defer_jobs_v1(
            ARRAY[ROW(%(task)s, %(task)s, 0, NULL, NULL, %(arguments)s, %(not_before)s)::procrastinate_job_to_defer_v1]
        )
        """,
        {
            "task": NOTICE_TASK,
            "arguments": json.dumps({"alerts": [str(alert_id) for alert_id in alert_ids]}),
            "not_before": not_before,
        },
    )
