"""The streams in which NATS keeps MQTT: their bounds of age and bytes, and the messages in flight to ingest.

NATS makes these streams at the first login, without a bound, and has no setting for one. Only JetStream's own interface
can give it, in the account of the devices. The door logs in there under a name of its own, and admits itself: it has
the key that signs permissions, so that no account stands in the broker's configuration.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from devices.broker_url import BrokerUrl
from door import metrics
from door.backlog import Backlog
from door.decision import Admission, Login
from door.nats_client import connect

log = structlog.get_logger()

USERNAME = "anju:streams"
"""Name of the login; no device can have it."""
MESSAGES = "$MQTT_msgs"

_INBOX = "_INBOX.streams"
_API = "$JS.API"
_NOT_FOUND = 10059
_ANSWER_S = 5.0
_RETRY_S = 5.0
_LOOK_EVERY_S = 0.25
_CONSUMERS_EVERY_S = 5.0
_BOUNDS_EVERY_S = 60.0
_TOLERANCE = 0.1


class StreamError(Exception):
    """The broker refuses a request about a stream."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Bound of a stream: its share of the broker's store, the greatest age, and which message goes when it is full."""

    share: float
    age: timedelta
    discard: Literal["old", "new"]


# A message that waits for ingest is never given up for a newer one: when its stream is full, publishers have to wait.
# A retained message and the record of a session are written anew at the next report and at the next login. A message of
# QoS 2 waits in `qos2in` for its PUBREL.
BOUNDS: Mapping[str, Bound] = {
    MESSAGES: Bound(3 / 4, timedelta(days=90), "new"),
    "$MQTT_rmsgs": Bound(1 / 16, timedelta(days=400), "old"),
    "$MQTT_sess": Bound(1 / 16, timedelta(days=400), "old"),
    "$MQTT_qos2in": Bound(1 / 16, timedelta(days=1), "new"),
    "$MQTT_out": Bound(1 / 64, timedelta(days=1), "old"),
}


class StreamKeeper:
    """Keeper of the streams at one broker; several may work beside each other."""

    def __init__(self, broker: BrokerUrl, seed: str, store_bytes: Callable[[], Awaitable[int | None]]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            broker: where the door connects to.
            seed: the key of the door.
            store_bytes: returns the size of the broker's store; None while it is not known.
        """
        self._broker = broker
        self._secret = _secret_of(seed)
        self._store_bytes = store_bytes
        self._backlog = Backlog()
        self._window = 0
        self._consumers_at = self._bounds_at = 0.0
        self._failure = ""

    def admit(self, login: Login) -> Admission | None:
        """Return the admission of the keeper's own login; None for any other."""
        is_own = login.username == USERNAME and not login.client_id
        if not is_own or not hmac.compare_digest(login.secret.encode("utf-8", "surrogatepass"), self._secret.encode()):
            return None
        changes = [f"{_API}.STREAM.{verb}.{name}" for name in BOUNDS for verb in ("INFO", "UPDATE")]
        consumers = [f"{_API}.CONSUMER.LIST.{MESSAGES}", f"{_API}.CONSUMER.DURABLE.CREATE.{MESSAGES}.*"]
        return Admission(USERNAME, (*changes, *consumers), subscribe=(f"{_INBOX}.>",), by_mqtt=False)

    async def run(self) -> None:
        """Keep the streams until this task is cancelled; the broker's being away is waited for."""
        client = Client()
        account = replace(self._broker, username=USERNAME, password=self._secret)
        await connect(
            client,
            account,
            name="anju door, streams",
            inbox=_INBOX,
            retry_s=_RETRY_S,
            on_error=self._note_failure,
        )
        try:
            while True:
                try:
                    await self._look(client)
                except (NatsError, TimeoutError, StreamError) as error:
                    await self._note_failure(error)
                    await asyncio.sleep(_RETRY_S)
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            await client.close()

    async def _look(self, client: Client) -> None:
        if time.monotonic() >= self._bounds_at and await self._bound_all(client):
            self._bounds_at = time.monotonic() + _BOUNDS_EVERY_S
        if found := await _ask(client, f"STREAM.INFO.{MESSAGES}"):
            state = found["state"]
            self._backlog.note(state["first_seq"], state["last_seq"], state["bytes"])
            await self._let_in_flight(client, self._backlog.window())
        self._failure = ""

    async def _bound_all(self, client: Client) -> bool:
        """Give every stream its bounds; return whether all of them are there already."""
        store_bytes, complete = await self._store_bytes(), True
        for name, bound in BOUNDS.items():
            found = await _ask(client, f"STREAM.INFO.{name}")
            complete &= found is not None
            if found and (config := bounded(found["config"], bound, store_bytes)):
                await _ask(client, f"STREAM.UPDATE.{name}", config)
                log.info("bounded a stream of the broker", stream=name, days=bound.age.days, bytes=config["max_bytes"])
        return complete

    async def _let_in_flight(self, client: Client, window: int) -> None:
        """Let so many messages be in flight in each session; one that was opened meanwhile is found within 5 s."""
        if window == self._window and time.monotonic() < self._consumers_at:
            return
        listed = await _ask(client, f"CONSUMER.LIST.{MESSAGES}") or {}
        for consumer in listed.get("consumers") or ():
            config = consumer["config"]
            if config["max_ack_pending"] != window:
                request = {
                    "stream_name": MESSAGES, "config": {**config, "max_ack_pending": window}, "action": "update"
                }  # fmt: skip
                await _ask(client, f"CONSUMER.DURABLE.CREATE.{MESSAGES}.{consumer['name']}", request)
        if window != self._window:
            log.debug("messages in flight", most=window)
        self._window, self._consumers_at = window, time.monotonic() + _CONSUMERS_EVERY_S
        metrics.IN_FLIGHT.set(window)

    async def _note_failure(self, error: Exception) -> None:
        if str(error) != self._failure:
            log.warning("the streams of the broker can't be bounded now, trying again", error=str(error))
            self._failure = str(error)


def bounded(config: Mapping[str, Any], bound: Bound, store_bytes: int | None) -> dict[str, Any] | None:
    """Return the configuration of a stream with its bounds; None if it has them.

    The bytes may differ by a tenth from the share: the size of the store follows the free space at its start. They stay
    as they are while that size is not known.
    """
    wanted: dict[str, Any] = {"max_age": round(bound.age.total_seconds()) * 10**9, "discard": bound.discard}
    if store_bytes:
        share = int(store_bytes * bound.share)
        if abs(config["max_bytes"] - share) > share * _TOLERANCE:
            wanted["max_bytes"] = share
    complete = {**config, **wanted}
    return complete if complete != config else None


async def _ask(client: Client, subject: str, request: object = None) -> dict[str, Any] | None:
    """Return an answer of JetStream; None if there is no such stream.

    Raises:
        StreamError: it refuses.
    """
    payload = b"" if request is None else msgspec.json.encode(request)
    answer = await client.request(f"{_API}.{subject}", payload, timeout=_ANSWER_S)
    content: dict[str, Any] = msgspec.json.decode(answer.data)
    if error := content.get("error"):
        if error.get("err_code") == _NOT_FOUND:
            return None
        raise StreamError(f"{subject}: {error.get('description')}")
    return content


def _secret_of(seed: str) -> str:
    """Return the secret of the login, which all doors of a broker share."""
    return hmac.new(seed.encode(), USERNAME.encode(), hashlib.sha256).hexdigest()
