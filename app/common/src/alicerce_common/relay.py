"""The relay: publishes what stands in the outbox, in its order, and removes a row only when the broker has it.

    raise SystemExit(relay.main(load(RelaySettings)))

Several relays may run: one at a time holds the advisory lock and publishes, the others wait for it. A row that is
published but not yet removed when something fails is published again: consumers tell by the event's id.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import pika
import psycopg
from opentelemetry.trace import Span, SpanKind
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties
from prometheus_client import Counter, Gauge
from psycopg.rows import class_row

from alicerce_common import broker, context, database, logs, process, tracing
from alicerce_common.config import DatabaseSettings, ProcessSettings, PublisherSettings
from alicerce_common.events import CONTENT_TYPE, Event
from alicerce_common.health import Check

log = logs.get_logger(__name__)

BATCH = 500
"""Rows that are in flight at once."""
POLL = 0.2
"""Seconds between looks at an empty outbox."""
CONFIRM_TIMEOUT = 15.0
"""Seconds for the broker to confirm a batch; after that the connection is made anew."""
LOCK = int.from_bytes(b"outbox", "big")
"""Key of the advisory lock that the publishing relay holds, in the service's own database."""

PUBLISHED = Counter("alicerce_events_published_total", "Events that the broker has confirmed", ["type"])
REFUSED = Counter(
    "alicerce_events_refused_total", "Events that no queue took or the broker refused", ["type"]
)
PENDING = Gauge("alicerce_outbox_pending", "Events that wait in the outbox; known to the leader only")
OLDEST = Gauge(
    "alicerce_outbox_oldest_seconds", "Age of the oldest event in the outbox; known to the leader only"
)
LEADER = Gauge("alicerce_outbox_leader", "1 where this relay is the one that publishes")


class RelaySettings(DatabaseSettings, PublisherSettings, ProcessSettings):
    """What a relay is told."""


@dataclass(frozen=True)
class Row:
    """One row of the outbox."""

    sequence: int
    id: UUID
    type: str
    version: int
    occurred_at: datetime
    subject: UUID
    data: dict[str, Any]
    traceparent: str | None
    attempts: int

    def named(self) -> dict[str, str]:
        """Return what a log line says of it."""
        parent = context.parse(self.traceparent)
        trace = {"trace_id": f"{parent.trace_id:032x}"} if parent else {}
        return {"type": self.type, "id": str(self.id)} | trace

    def body(self) -> bytes:
        """Return the message's body."""
        event = Event.model_construct(
            id=self.id,
            type=self.type,
            version=self.version,
            occurred_at=self.occurred_at,
            subject=self.subject,
            data=self.data,
        )
        return event.model_dump_json().encode()

    def properties(self, span: Span | None = None) -> BasicProperties:
        """Return the message's properties; who consumes it continues the span of its publication, if there is one."""
        traceparent = context.render(span.get_span_context()) if span else self.traceparent
        return BasicProperties(  # type: ignore[no-untyped-call]
            message_id=str(self.id),
            type=self.type,
            content_type=CONTENT_TYPE,
            delivery_mode=pika.DeliveryMode.Persistent.value,
            headers={"traceparent": traceparent} if traceparent else None,
        )


class NotConnectedError(Exception):
    """The broker cannot be reached now, or the connection broke before it confirmed everything."""


class _Batch:
    """Rows on their way: the broker's word on each, and the event that is set when the last one is known."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.pending: dict[int, Row] = {}
        self.spans: dict[int, Span] = {}
        self.began = time.time_ns()
        self.returned: set[str] = set()
        self.confirmed: list[Row] = []
        self.refused: list[Row] = []
        self.broken = False
        self.done = threading.Event()


class Publisher:
    """Publishes batches with confirms and `mandatory`, over one connection that lives in a thread of its own.

    pika's blocking channel waits for each confirm before the next message; this one has a whole batch in flight.
    """

    def __init__(self, settings: PublisherSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        # The rest belongs to the thread.
        self._connection: pika.SelectConnection | None = None
        self._channel: Channel | None = None
        self._delivery_tag = 0
        self._batch: _Batch | None = None

    def start(self) -> None:
        """Connect, and connect again whenever the connection breaks."""
        self._thread.start()

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._stopping.set()
        self._in_thread(self._close_connection)
        self._thread.join(timeout=10)

    @property
    def connected(self) -> bool:
        """Whether a batch could be published now."""
        return self._ready.is_set()

    def check(self) -> None:
        """Raise NotConnectedError while the broker is away (a readiness probe)."""
        if not self.connected:
            raise NotConnectedError

    def publish(
        self, rows: Sequence[Row], *, timeout: float = CONFIRM_TIMEOUT
    ) -> tuple[list[Row], list[Row]]:
        """Return the rows that the broker has, and those that it refused or that no queue took.

        Raises NotConnectedError when nothing was sent. When the connection breaks on the way, a row of which
        the broker's word is unknown is in neither list.
        """
        if not self.connected:
            raise NotConnectedError
        batch = _Batch(rows)
        self._in_thread(partial(self._send, batch))
        if not batch.done.wait(timeout):
            log.warning("the broker does not confirm in time", pending=len(batch.pending))
            self._in_thread(self._close_connection)
            batch.done.wait(5)
        return batch.confirmed, batch.refused

    def _in_thread(self, callback: Any) -> None:
        connection = self._connection
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(callback)

    # What follows runs in the thread.

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            for parameters in broker.connection_parameters(self._settings, label="relay"):
                if self._stopping.is_set():
                    return
                loop = IOLoop()
                self._connection = pika.SelectConnection(
                    parameters,
                    on_open_callback=self._opened,
                    on_open_error_callback=self._failed,
                    on_close_callback=self._closed,
                    custom_ioloop=loop,
                )
                loop.start()
                if self._channel is not None:
                    attempt = 0
                self._connection = self._channel = None
                loop.close()
            self._stopping.wait(broker.backoff(attempt))
            attempt += 1

    def _opened(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Channel) -> None:
        self._channel = channel
        self._delivery_tag = 0
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(ack_nack_callback=self._confirmed, callback=lambda _: self._ready.set())
        log.info("connected to the broker", broker=self._parameters_host())

    def _parameters_host(self) -> str | None:
        return getattr(self._connection.params, "host", None) if self._connection else None

    def _failed(self, connection: pika.SelectConnection, error: BaseException | str) -> None:
        log.warning(
            "cannot connect to the broker", broker=self._parameters_host(), reason=type(error).__name__
        )
        self._lost(connection)

    def _closed(self, connection: pika.SelectConnection, reason: BaseException) -> None:
        log.log(
            20 if self._stopping.is_set() else 30,
            "connection to the broker closed",
            reason=type(reason).__name__,
        )
        self._lost(connection)

    def _channel_closed(self, _: Channel, reason: BaseException) -> None:
        # 403 and 404 arrive here: no rights on the exchange, or no exchange.
        if not self._stopping.is_set():
            log.warning("channel closed", reason=str(reason))
        self._close_connection()

    def _lost(self, connection: pika.SelectConnection) -> None:
        self._ready.clear()
        self._settle(broken=True)
        connection.ioloop.stop()

    def _close_connection(self) -> None:
        self._ready.clear()
        connection = self._connection
        if connection is not None and not (connection.is_closing or connection.is_closed):
            connection.close()

    def _send(self, batch: _Batch) -> None:
        channel = self._channel
        self._batch = batch
        if channel is None or not channel.is_open or not self._ready.is_set():
            self._settle(broken=True)
            return
        exchange = self._settings.event_exchange
        try:
            for row in batch.rows:
                span = self._begin_span(row)
                channel.basic_publish(exchange, row.type, row.body(), row.properties(span), mandatory=True)
                self._delivery_tag += 1
                batch.pending[self._delivery_tag] = row
                if span:
                    batch.spans[self._delivery_tag] = span
        except AMQPError:
            self._settle(broken=True)
            self._close_connection()

    def _begin_span(self, row: Row, *, start_time: int | None = None) -> Span | None:
        """Start the span of a publication where the ratio keeps the trace, or where it began at `start_time` and is worth keeping.

        The others cost nothing but this question.
        """
        parent = context.parse(row.traceparent)
        if parent is None or (start_time is None and not tracing.samples(parent)):
            return None
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._settings.event_exchange,
            "messaging.message.id": str(row.id),
        }
        return tracing.begin(
            f"publish {row.type}",
            kind=SpanKind.PRODUCER,
            parent=parent,
            start_time=start_time,
            attributes=attributes,
        )

    def _end_span(self, batch: _Batch, tag: int, row: Row, failure: str | None) -> None:
        span = batch.spans.pop(tag, None)
        if span is None and (failure or tracing.is_slow(batch.began)):
            span = self._begin_span(row, start_time=batch.began)
        if span:
            if failure:
                tracing.fail(span, failure)
            span.end()

    def _returned(self, _: Channel, __: Basic.Return, properties: BasicProperties, ___: bytes) -> None:
        # Comes before the confirm of the same message.
        if self._batch is not None and properties.message_id:
            self._batch.returned.add(properties.message_id)

    def _confirmed(self, frame: Any) -> None:
        batch = self._batch
        if batch is None:
            return
        last = frame.method.delivery_tag
        tags = [tag for tag in batch.pending if last == 0 or tag <= last] if frame.method.multiple else [last]
        acknowledged = isinstance(frame.method, Basic.Ack)
        for tag in tags:
            row = batch.pending.pop(tag, None)
            if row is not None:
                good = acknowledged and str(row.id) not in batch.returned
                (batch.confirmed if good else batch.refused).append(row)
                self._end_span(batch, tag, row, None if good else "refused")
        if not batch.pending:
            self._settle(broken=False)

    def _settle(self, *, broken: bool) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.broken = broken
            for tag, row in batch.pending.items():
                self._end_span(batch, tag, row, "unconfirmed")
            batch.done.set()


class Relay:
    """Moves the outbox of one database to the broker."""

    def __init__(
        self, settings: RelaySettings, publisher: Publisher, *, batch: int = BATCH, poll: float = POLL
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._batch = batch
        self._poll = poll
        self._measured = 0.0
        self.heartbeat = process.Heartbeat()
        self.database_connected = False

    def check_database(self) -> None:
        """Raise while there is no primary to read from (a readiness probe)."""
        if not self.database_connected:
            raise NotConnectedError

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; survives the loss of database and broker."""
        attempt = 0
        while not stop.is_set():
            self.heartbeat.beat()
            try:
                with database.connect(self._settings, autocommit=True) as connection:
                    self.database_connected = True
                    attempt = 0
                    self._work(connection, stop)
            except psycopg.Error as error:
                log.warning("connection to the database lost", exc_info=error)
            finally:
                self.database_connected = False
                LEADER.set(0)
            stop.wait(broker.backoff(attempt))
            attempt += 1

    def _work(self, connection: database.Connection, stop: threading.Event) -> None:
        leading = False
        while not stop.is_set():
            self.heartbeat.beat()
            if not self._publisher.connected:
                if leading:  # somebody else may reach the broker
                    connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
                    leading = False
                    LEADER.set(0)
                stop.wait(self._poll)
                continue
            if not leading:
                row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
                leading = bool(row and row[0])
                LEADER.set(leading)
                if not leading:
                    stop.wait(1)
                    continue
            self._measure(connection)
            if self.move(connection) < self._batch:
                stop.wait(self._poll)

    def move(self, connection: database.Connection) -> int:
        """Publish one batch and remove what the broker has; return how many rows it has of it."""
        with connection.transaction(), connection.cursor(row_factory=class_row(Row)) as cursor:
            rows = cursor.execute(
                "SELECT sequence, id, type, version, occurred_at, subject, data, traceparent, attempts FROM outbox"
                " WHERE available_at <= now() ORDER BY sequence LIMIT %s FOR UPDATE SKIP LOCKED",
                [self._batch],
            ).fetchall()
            if not rows:
                return 0
            confirmed: list[Row] = []
            refused: list[Row] = []
            with suppress(NotConnectedError):
                confirmed, refused = self._publisher.publish(rows)
            connection.execute(
                "DELETE FROM outbox WHERE sequence = ANY(%s)", [[row.sequence for row in confirmed]]
            )
            for row in refused:
                delay = broker.backoff(row.attempts, first=1, most=60)
                log.error("no queue took an event", attempts=row.attempts + 1, **row.named())
                connection.execute(
                    "UPDATE outbox SET attempts = attempts + 1, available_at = now() + %s * interval '1 second'"
                    " WHERE sequence = %s",
                    [delay, row.sequence],
                )
        for row in confirmed:
            PUBLISHED.labels(row.type).inc()
            log.info("event published", **row.named())
        for row in refused:
            REFUSED.labels(row.type).inc()
        return len(confirmed)

    def _measure(self, connection: database.Connection) -> None:
        if time.monotonic() - self._measured < 5:
            return
        self._measured = time.monotonic()
        row = connection.execute(
            "SELECT count(*), coalesce(extract(epoch FROM now() - min(occurred_at)), 0) FROM outbox"
        ).fetchone()
        if row:
            PENDING.set(row[0])
            OLDEST.set(max(0.0, float(row[1])))


def main(settings: RelaySettings) -> int:
    """Run the relay until SIGTERM; returns the exit status."""
    logs.configure(settings)
    tracing.start(settings)
    stop = threading.Event()
    process.stop_on_signals(stop)
    publisher = Publisher(settings)
    relay = Relay(settings, publisher)
    checks = [Check("postgresql", relay.check_database), Check("rabbitmq", publisher.check)]
    server = process.serve(settings, checks, alive=relay.heartbeat.alive)
    publisher.start()
    try:
        relay.run(stop)
    finally:
        publisher.close()
        tracing.stop()
        server.shutdown()
    return 0
