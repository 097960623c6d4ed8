"""API process: uvicorn, with a shutdown that waits for responses but not for streams."""

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI

from api.app import ApiSettings, create_app
from rules.language.reload import RuleFolder
from store.database import Database, DatabaseUnavailableError, connect

_GRACE_S = 5


def serve(database_url: str, host: str, port: int, api_key: str, rules: RuleFolder) -> None:
    """Serve the API until SIGTERM or SIGINT, then finish the requests under way, within five seconds.

    The database may be absent at the start; `/readyz` reports its readiness. The caller configures all logs.

    Args:
        database_url: `postgresql://user:secret@host:port/database`.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one, which the log names.
        api_key: Bearer key of the clients.
        rules: Source of the rules in force.

    Raises:
        NewerDatabaseError: A newer Anju has migrated the database.
        ValueError: The API key is empty.
        SystemExit: The address is in use.
    """
    logging.getLogger("psycopg.pool").setLevel(logging.WARNING)
    with suppress(DatabaseUnavailableError):
        connect(database_url, application_name="anju api").close()  # a newer database is refused at once
    database = Database(database_url, application_name="anju api")
    try:
        settings = ApiSettings(api_key=api_key, version=version("anju"), rules=rules)
        _Server(create_app(database, settings), host, port).run()
    finally:
        database.close()


class _Server(uvicorn.Server):
    """Uvicorn server that ends streams first on shutdown, and returns to its caller afterwards."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        config = uvicorn.Config(
            app, host=host, port=port, log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )  # fmt: skip
        super().__init__(config)
        self._app_state = app.state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then shut down. Uvicorn waits for all connections, and open streams would hold it up."""
        self._app_state.feed.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals without raising them again afterwards, which would end the process before its cleanup."""
        signals = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
