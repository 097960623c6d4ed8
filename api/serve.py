"""API process: uvicorn, with a shutdown that waits for responses but not for streams."""

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

import uvicorn
from starlette.datastructures import State
from starlette.types import ASGIApp

from api.app import ApiSettings, create_app, guard_app
from api.auth import make_seal
from api.connections import Config, fit_to_descriptors, survive_without_descriptors
from api.feed import AlertFeed
from api.limits import HttpLimits
from api.metrics import show_connections
from rules.language.reload import RuleFolder
from store.database import Database, DatabaseUnavailableError, connect

_GRACE_S = 5
# Length of the queue of new connections, and their number in one round of the event loop.
_BACKLOG = 64
_DEFAULT_LIMITS = HttpLimits()


def serve(
    database_url: str,
    host: str,
    port: int,
    api_key: str,
    rules: RuleFolder,
    *,
    secret_keys: tuple[bytes, ...],
    limits: HttpLimits = _DEFAULT_LIMITS,
    make_pages: Callable[[State], ASGIApp] | None = None,
) -> None:
    """Serve the API until SIGTERM or SIGINT, then finish the requests under way, within five seconds.

    The database may be absent at the start; `/readyz` reports its readiness. The caller configures all logs.

    Args:
        database_url: `postgresql://user:secret@host:port/database`.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one, which the log names.
        api_key: Bearer key of the clients.
        rules: Source of the rules in force.
        secret_keys: The secret key of the installation, and earlier ones; they seal secrets of second factors.
        limits: Bounds of the server.
        make_pages: Makes the console from the state of the API's application; without it there are no pages.

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
        settings = ApiSettings(
            api_key=api_key, seal=make_seal(*secret_keys), version=version("anju"), rules=rules, limits=limits
        )
        app = create_app(database, settings)
        config = Config(
            guard_app(app, settings, make_pages(app.state) if make_pages else None),
            fit_to_descriptors(limits.connections),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            proxy_headers=bool(limits.proxies),
            forwarded_allow_ips=list(limits.proxies),
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = _Server(config, app.state.feed)
        show_connections(app.state.registry, lambda: len(server.server_state.connections))
        server.run()
    finally:
        database.close()


class _Server(uvicorn.Server):
    """Uvicorn server that ends streams first on shutdown, and returns to its caller afterwards."""

    def __init__(self, config: Config, feed: AlertFeed) -> None:
        super().__init__(config)
        self._feed = feed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, prepared for a lack of descriptors."""
        survive_without_descriptors(self.server_state.connections)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then shut down. Uvicorn waits for all connections, and open streams would hold it up."""
        self._feed.close()
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
