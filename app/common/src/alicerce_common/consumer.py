"""The frame of a consumer: a handler gets one event at a time, and the message is acknowledged when it has returned.

    def handle(event: Event) -> None:
        with session.begin():
            if first_time(session, InboxRow, event.id):
                ...

    raise SystemExit(consumer.main(load(Settings), handle, checks=[…]))

What the handler raises decides:
- a store is away: the event is kept and tried again until the store is back, for at most `PATIENCE` seconds;
- `PoisonEventError`, or pydantic's ValidationError: the message goes to the dead-letter queue at once;
- anything else: the message goes back into its queue, whose delivery limit dead-letters it in the end.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any

import pika
from opentelemetry.trace import SpanKind
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from alicerce_common import broker, context, logs, process, tracing
from alicerce_common.config import ConsumerSettings
from alicerce_common.errors import unavailable_errors
from alicerce_common.events import Event
from alicerce_common.health import Check

log = logs.get_logger(__name__)

Handler = Callable[[Event], None]

PATIENCE = 300.0
"""Seconds that an event is kept and tried again while a store is away, before it goes back into the queue."""

CONSUMED = Counter("alicerce_events_consumed_total", "Events by what became of them", ["type", "outcome"])
SECONDS = Histogram("alicerce_event_handling_seconds", "Time that the handler took", ["type"])


class PoisonEventError(Exception):
    """An event that can never be handled."""


class NotConsumingError(Exception):
    """The broker cannot be reached now."""


class Verdict(Enum):
    """What becomes of a message."""

    DONE = "done"
    AGAIN = "again"
    DEAD = "dead"


class Consumer:
    """Takes messages from one queue, over one connection at a time."""

    def __init__(
        self,
        settings: ConsumerSettings,
        handler: Handler,
        stop: threading.Event,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._settings = settings
        self._handler = handler
        self._stop = stop
        self._patience = patience
        self._transient = unavailable_errors()
        self._cancelled = threading.Event()
        self._in_flight = 0  # belongs to the connection's thread
        self.heartbeat = process.Heartbeat()
        self.consuming = False

    def check(self) -> None:
        """Raise NotConsumingError while the broker is away (a readiness probe)."""
        if not self.consuming:
            raise NotConsumingError

    def run(self) -> None:
        """Work until told to stop; survives the loss of the broker."""
        attempt = 0
        with ThreadPoolExecutor(self._settings.consumer_threads, thread_name_prefix="handler") as executor:
            while not self._stop.is_set():
                self.heartbeat.beat()
                try:
                    self._consume(executor)
                except (AMQPError, OSError) as error:
                    # str(): the broker's own words, such as "no queue …" or "access refused".
                    log.warning("connection to the broker lost", reason=f"{type(error).__name__}: {error}")
                attempt = 0 if self.consuming else attempt + 1
                self.consuming = False
                self._stop.wait(broker.backoff(attempt))

    def _consume(self, executor: ThreadPoolExecutor) -> None:
        self._cancelled.clear()
        self._in_flight = 0
        connection = pika.BlockingConnection(broker.connection_parameters(self._settings, label="consumer"))
        try:
            channel = connection.channel()
            # One more in reserve for each handler, so that it never waits for the network.
            channel.basic_qos(prefetch_count=2 * self._settings.consumer_threads)
            channel.add_on_cancel_callback(lambda _: self._cancelled.set())
            tag = channel.basic_consume(
                self._settings.event_queue, partial(self._received, connection, executor)
            )
            self.consuming = True
            log.info("consuming", queue=self._settings.event_queue)
            while not self._stop.is_set() and not self._cancelled.is_set():
                self.heartbeat.beat()
                connection.process_data_events(time_limit=0.5)
            # Stopping: take nothing more, let the handlers end, say what became of their messages.
            channel.basic_cancel(tag)
            deadline = time.monotonic() + 20
            while self._in_flight and time.monotonic() < deadline:
                connection.process_data_events(time_limit=0.1)
        finally:
            if connection.is_open:
                connection.close()

    def _received(
        self,
        connection: pika.BlockingConnection,
        executor: ThreadPoolExecutor,
        channel: BlockingChannel,
        method: Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        self._in_flight += 1
        executor.submit(self._process, connection, channel, method.delivery_tag, properties, body)

    def _process(
        self,
        connection: pika.BlockingConnection,
        channel: BlockingChannel,
        tag: int,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        """Handle one message in a handler's thread; only the connection's thread may answer the broker."""
        verdict = Verdict.AGAIN
        try:
            # What still waits when the connection is gone will be delivered again, and so needs no handling now.
            if connection.is_open and not self._stop.is_set():
                verdict = self.judge(body, properties)
        finally:
            with suppress(AMQPError):
                connection.add_callback_threadsafe(partial(self._settle, channel, tag, verdict))

    def _settle(self, channel: BlockingChannel, tag: int, verdict: Verdict) -> None:
        self._in_flight -= 1
        if not channel.is_open:
            return
        if verdict is Verdict.DONE:
            channel.basic_ack(tag)
        else:
            channel.basic_nack(tag, requeue=verdict is Verdict.AGAIN)

    def judge(self, body: bytes, properties: BasicProperties) -> Verdict:
        """Handle one message and return what is to become of it."""
        headers: dict[str, Any] = properties.headers or {}
        traceparent = headers.get("traceparent")
        request_id = context.begin(
            request_id=properties.message_id,
            traceparent=traceparent if isinstance(traceparent, str) else None,
        )
        with tracing.unit(
            f"process {self._settings.event_queue}",
            kind=SpanKind.CONSUMER,
            parent=context.current_parent(),
            attributes={
                "messaging.system": "rabbitmq",
                "messaging.operation.type": "process",
                "messaging.destination.name": self._settings.event_queue,
                "messaging.message.id": request_id,
            },
        ) as span:
            verdict = self._judge(body, headers)
            if verdict is not Verdict.DONE:
                tracing.fail(span, verdict.value)
        return verdict

    def _judge(self, body: bytes, headers: dict[str, Any]) -> Verdict:
        try:
            event = Event.model_validate_json(body)
        except ValidationError as error:
            # Without its traceback, which quotes the message.
            log.error("message is not an event", problems=error.error_count())  # noqa: TRY400
            CONSUMED.labels("invalid", Verdict.DEAD.value).inc()
            return Verdict.DEAD
        with SECONDS.labels(event.type).time():
            verdict = self._handle(event, int(headers.get("x-delivery-count") or 0))
        CONSUMED.labels(event.type, verdict.value).inc()
        log.info("event handled", type=event.type, id=str(event.id), outcome=verdict.value)
        return verdict

    def _handle(self, event: Event, deliveries: int) -> Verdict:
        deadline = time.monotonic() + self._patience
        attempt = 0
        while True:
            try:
                self._handler(event)
            except (PoisonEventError, ValidationError):
                log.exception("event can never be handled", type=event.type)
                return Verdict.DEAD
            except self._transient as error:
                log.warning("store unavailable, trying again", type=event.type, exc_info=error)
                wait = broker.backoff(attempt)
                attempt += 1
                if time.monotonic() + wait > deadline or self._stop.wait(wait):
                    return Verdict.AGAIN
            except Exception:
                log.exception("handler failed", type=event.type)
                self._stop.wait(broker.backoff(deliveries))
                return Verdict.AGAIN
            else:
                return Verdict.DONE


def main(
    settings: ConsumerSettings,
    handler: Handler,
    *,
    checks: Sequence[Check] = (),
    housekeeping: Callable[[], None] | None = None,
) -> int:
    """Run the consumer until SIGTERM; returns the exit status. `housekeeping` runs once an hour in a thread."""
    logs.configure(settings)
    tracing.start(settings)
    stop = threading.Event()
    process.stop_on_signals(stop)
    consumer = Consumer(settings, handler, stop)
    server = process.serve(
        settings, [Check("rabbitmq", consumer.check), *checks], alive=consumer.heartbeat.alive
    )
    if housekeeping is not None:
        threading.Thread(
            target=_keep_house, args=(housekeeping, stop), name="housekeeping", daemon=True
        ).start()
    try:
        consumer.run()
    finally:
        tracing.stop()
        server.shutdown()
    return 0


def _keep_house(housekeeping: Callable[[], None], stop: threading.Event) -> None:
    # At a time of its own on every host.
    while not stop.wait(random.uniform(1800, 5400)):  # noqa: S311 (no secret)
        try:
            housekeeping()
        except Exception:  # whatever it was, it is tried again
            log.exception("housekeeping failed")
