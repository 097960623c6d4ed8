"""The stream of alert transitions that clients follow and resume."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import errors, sql
from psycopg.rows import kwargs_row

from store.alerts.alerts import ALERT_COLUMNS, ALERT_TABLES, AlertRow
from store.alerts.transitions import StoredTransition
from store.database import ALERT_CHANNEL, Connection, DatabaseUnavailableError

_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class AlertTransition:
    """A transition together with its alert as it is now."""

    transition: StoredTransition
    alert: AlertRow


def read_alert_transitions(
    connection: Connection, *, after: int, up_to: int, community: str | None, severity: Sequence[str] | None, limit: int
) -> list[AlertTransition]:
    """Return at most `limit` transitions with ids in (after, up_to], in the order of their ids."""
    with connection.cursor(row_factory=kwargs_row(_alert_transition)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                SELECT {columns}, transition.id AS transition_id, transition.axis, transition.from_state,
                       transition.to_state, transition.at, transition.decided_at, transition.reason,
                       transition.rule_version AS decided_by_version, transition.actor, transition.comment,
                       transition.inputs, transition.suppressions
                FROM {tables} JOIN alert_transition AS transition ON transition.alert_id = alert.id
                WHERE transition.id > %(after)s AND transition.id <= %(up_to)s
                  AND (%(community)s::text IS NULL OR alert.community = %(community)s)
                  AND (%(severity)s::text[] IS NULL OR alert.severity = ANY (%(severity)s))
                ORDER BY transition.id
                LIMIT %(limit)s
                """
            ).format(columns=sql.SQL(ALERT_COLUMNS), tables=sql.SQL(ALERT_TABLES)),
            {"after": after, "up_to": up_to, "community": community, "severity": severity, "limit": limit},
        ).fetchall()


def _alert_transition(transition_id: int, decided_by_version: str, **columns: Any) -> AlertTransition:  # noqa: ANN401
    alert = AlertRow(**{name: columns[name] for name in AlertRow.__slots__})
    own = {**columns, "id": transition_id, "rule_version": decided_by_version}
    return AlertTransition(StoredTransition(**{name: own[name] for name in StoredTransition.__slots__}), alert)


def newest_transition(connection: Connection) -> int:
    """Return the highest visible id of a transition, or 0. No lower id appears later."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM alert_transition").fetchone()
    return row[0] if row else 0


def follow_transitions(connection: Connection) -> Generator[int]:
    """Yield the newest transition's id at once, after each notification, and at least once a second.

    The connection serves nothing else meanwhile. The generator waits between the values, so the caller may stop there.

    Raises:
        DatabaseUnavailableError: the connection broke, or the database has no schema yet.
    """
    connection.execute(sql.SQL("LISTEN {channel}").format(channel=sql.Identifier(ALERT_CHANNEL)))
    # Beyond the first transaction, to whose end the pool has set them.
    connection.execute(
        "SELECT set_config('anju.scope', '{all}', false), set_config('anju.scope_within', '{all}', false)"
    )
    connection.commit()
    try:
        while True:
            newest = newest_transition(connection)
            connection.commit()
            yield newest
            for _ in connection.notifies(timeout=_POLL_S, stop_after=1):
                pass
    except errors.UndefinedTable as error:
        raise DatabaseUnavailableError("the database has no schema yet; run `anju migrate`") from error
    finally:
        if not connection.closed:
            connection.rollback()
            connection.execute("UNLISTEN *")
            connection.execute("RESET anju.scope")
            connection.execute("RESET anju.scope_within")
            connection.commit()
