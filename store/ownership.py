"""Who works on a partition of the communities: one worker at any time, held by a lock in the database.

The lock belongs to the connection and goes with it, however that ends; a successor gets it only when the server has
ended the predecessor's session, so a commit that was under way is visible to it.
"""

from store.database import Connection, translated_errors

_LOCK_CLASS = 0x414E4A55  # "ANJU": keeps these locks apart from others in the same database


def own_partition(connection: Connection, *, partition: int) -> bool:
    """Try to become the owner of a partition for as long as the connection lasts."""
    with translated_errors():
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_CLASS, partition)).fetchone()
    return row is not None and bool(row[0])


def partition_owners(connection: Connection) -> dict[int, str]:
    """Which partitions have an owner, with the address it is connected from."""
    with translated_errors():
        rows = connection.execute(
            """
            SELECT lock.objid::int, coalesce(host(session.client_addr), 'local')
            FROM pg_locks AS lock JOIN pg_stat_activity AS session USING (pid)
            WHERE lock.locktype = 'advisory' AND lock.classid = %s AND lock.granted
              AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ORDER BY 1
            """,
            (_LOCK_CLASS,),
        ).fetchall()
    return {int(partition): str(address) for partition, address in rows}
