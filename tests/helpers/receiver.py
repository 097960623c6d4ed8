"""Real servers in the place of robots, programs and mail servers, which fail, are slow and recover at a test's will."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from patience import patient


class Answer(NamedTuple):
    """An HTTP answer, sent after a pause; the usual one means success for every kind of robot."""

    status: int = 200
    body: bytes = b'{"errcode": 0, "errmsg": "ok", "code": 0}'
    headers: tuple[tuple[str, str], ...] = ()
    after_s: float = 0.0


class Request(NamedTuple):
    """A request, as it came (seconds since 1970)."""

    path: str
    content: dict[str, Any]
    at: float


class Receiver:
    """An HTTP server that gives `answers` first and then `usual`.

    Attributes:
        requests: all requests.
        accepted: the requests that were answered with success.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.accepted: list[Request] = []
        self.answers: list[Answer] = []
        self.usual = Answer()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver.answer_to(Request(self.path, json.loads(body), time.time()))
                time.sleep(answer.after_s)
                self.send_response(answer.status)
                for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer_to(self, request: Request) -> Answer:
        """Note a request, and return the next answer."""
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else self.usual
        if answer.status == 200:
            self.accepted.append(request)
        return answer

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def alerts(self) -> list[tuple[str, str]]:
        """Return (fingerprint, status) of every accepted alert in Alertmanager's shape."""
        return [(each["fingerprint"], each["status"]) for r in self.accepted for each in r.content["alerts"]]

    def words(self) -> list[str]:
        """Return the accepted texts in markdown."""
        return [request.content["markdown"]["content"] for request in self.accepted]

    def paths(self) -> list[str]:
        """Return the paths of the accepted requests."""
        return [request.path for request in self.accepted]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run an HTTP server for the block."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()


class Mailbox:
    """The handler of an SMTP server: gives `answers` first, and then accepts each letter, after a pause."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.answers: list[str] = []
        self.tries = 0
        self.after_s = 0.0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Accept or refuse a letter."""
        self.tries += 1
        await asyncio.sleep(self.after_s)
        if self.answers:
            return self.answers.pop(0)
        self.letters.append(envelope)
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[tuple[int, Mailbox]]:
    """Run an SMTP server for the block; gives its port and its mailbox."""
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=patient(5))
    controller.start()
    try:
        yield port, mailbox
    finally:
        controller.stop()
