"""TLS of long-lived clients of the broker."""

import socket
import ssl
from typing import Any, Self

from devices.broker_url import BrokerUrl


class BrokerContext(ssl.SSLContext):
    """TLS context that reads the files of a broker's URL anew for each connection.

    A client that reconnects therefore takes new authorities and a new certificate without a restart.
    """

    broker: BrokerUrl

    def __new__(cls, broker: BrokerUrl) -> Self:
        """Make a context for this broker; no file is read yet."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context.broker = broker
        return context

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as ssl has it
        """Wrap an open connection and greet the broker; close it and raise OSError if that fails.

        paho, which would greet by itself, leaves a connection open whose greeting fails.
        """
        try:
            context = self.broker.tls_context()
            return context.wrap_socket(sock, *args, **{**options, "do_handshake_on_connect": True})
        except OSError:
            sock.close()
            raise
