"""Sealed columns after a change of the secret key: sealed anew when the API starts, so that the old key can go."""

import asyncio

import structlog

from accounts.second_factor import reseal_second_factors
from devices.seal import Seal
from handling.contacts import reseal_contacts
from store.database import Database, DatabaseUnavailableError

_log = structlog.get_logger(__name__)
_RETRY_S = 30.0


async def reseal(database: Database, seal: Seal) -> None:
    """Seal phone numbers and secrets of second factors under the present key, once the database is there.

    Several processes may do so at once: each column is replaced only if it is as it was read.
    """
    while seal.has_earlier_keys:
        try:
            phones, factors = await asyncio.to_thread(_reseal, database, seal)
        except DatabaseUnavailableError:
            await asyncio.sleep(_RETRY_S)
            continue
        _log.info("sealed under the present secret key", phones=phones, second_factors=factors)
        return


def _reseal(database: Database, seal: Seal) -> tuple[int, int]:
    with database.connection() as connection:
        return reseal_contacts(connection, seal), reseal_second_factors(connection, seal)
