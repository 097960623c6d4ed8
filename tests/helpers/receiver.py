"""Real servers that stand in for what people are told through: they fail, are slow and recover as a test says."""

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from aiosmtpd.controller import Controller

from patience import patient


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b'{"errcode": 0, "errmsg": "ok", "code": 0}'
    headers: tuple = ()
    after_s: float = 0.0


class Request(NamedTuple):
    path: str
    content: dict
    at: float


class Receiver:
    """An HTTP server that keeps what it accepted; `answers` are given first, then `usual`."""

    def __init__(self):
        self.requests, self.accepted, self.answers, self.usual = [], [], [], Answer()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, json.loads(body), time.time())
                receiver.requests.append(request)
                answer = receiver.answers.pop(0) if receiver.answers else receiver.usual
                if answer.status == 200:
                    receiver.accepted.append(request)
                time.sleep(answer.after_s)
                self.send_response(answer.status)
                for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def alerts(self):
        """Every alert of what was accepted in Alertmanager's shape, as (fingerprint, status)."""
        return [(each["fingerprint"], each["status"]) for r in self.accepted for each in r.content["alerts"]]

    def words(self):
        """What was accepted as markdown."""
        return [request.content["markdown"]["content"] for request in self.accepted]

    def paths(self):
        return [request.path for request in self.accepted]


@contextmanager
def receiving():
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()


class Mailbox:
    """An SMTP server's handler: keeps the letters; `answers` are given first, then it accepts."""

    def __init__(self):
        self.letters, self.answers, self.tries, self.after_s = [], [], 0, 0.0

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.tries += 1
        await asyncio.sleep(self.after_s)
        if self.answers:
            return self.answers.pop(0)
        self.letters.append(envelope)
        return "250 OK"


@contextmanager
def mail_server():
    """An SMTP server, as its port and its mailbox."""
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=patient(5))
    controller.start()
    try:
        yield port, mailbox
    finally:
        controller.stop()
