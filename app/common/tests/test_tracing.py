"""Traces: what is kept, what is told, and that nobody waits for it."""

import itertools
import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import structlog
import structlog.testing
from alicerce_common import cache, config, consumer, context, database, http, logs, mongo, relay, tracing
from alicerce_common.consumer import Consumer, PoisonEventError, Verdict
from alicerce_common.events import Event
from alicerce_common.outbox import OutboxMixin, write_event
from flask import Blueprint, Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pika.spec import BasicProperties
from pydantic import ValidationError
from pymongo import monitoring
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from stores import (
    IDENTITY,
    RedisServer,
    Server,
    Topology,
    broker_settings,
    database_settings,
    free_port,
    redis_settings,
    wait_for,
)

KEPT = "00-0af7651916cd43dd84ffffffffffffff-b7ad6b7169203331-00"
"""A trace that every ratio above 0 keeps."""
LEFT = "00-0af7651916cd43dd8400000000000000-b7ad6b7169203331-01"
"""One that no ratio below 1 keeps, whatever its caller's flag says."""
PERSON = {
    "name": "Maria Aparecida de Souza",
    "email": "maria.souza@exemplo.com.br",
    "phone": "+5511987654321",
    "cpf": "52998224725",
    "street": "Rua das Palmeiras",
}


class Base(DeclarativeBase):
    pass


class Outbox(OutboxMixin, Base):
    pass


def settings(**more: Any) -> config.WebSettings:
    return config.WebSettings(
        **IDENTITY,
        service_name="things",
        forwarded_hops=0,
        **{
            "traces_endpoint": "http://127.0.0.1:1/v1/traces",
            "traces_sample_ratio": 0.5,
            "traces_slow_seconds": 0.2,
            **more,
        },
    )


Start = Callable[..., Callable[[], list[ReadableSpan]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Trace into memory; call the result for the spans that were kept."""

    def begin(*, delay: float = tracing.DELAY, **more: Any) -> Callable[[], list[ReadableSpan]]:
        exporter = InMemorySpanExporter()
        tracing.start(settings(**more), exporter=exporter, delay=delay)

        def kept() -> list[ReadableSpan]:
            assert tracing._state.provider is not None
            tracing._state.provider.force_flush()
            return list(exporter.get_finished_spans())

        return kept

    yield begin
    tracing.stop()


def names(spans: list[ReadableSpan]) -> list[str]:
    return sorted(span.name for span in spans)


def made_app(**more: Any) -> Flask:
    blueprint = Blueprint("things", __name__, url_prefix="/api/v1/things")

    @blueprint.get("/<thing>")
    @http.endpoint("Do as told", access="public")
    def get(thing: str) -> None:
        with tracing.span("part"):
            if thing == "slow":
                time.sleep(0.25)
            if thing == "broken":
                raise RuntimeError(f"broken for {PERSON['email']}")

    @blueprint.post("")
    @http.endpoint("Take anything", access="public")
    def post() -> None:
        return None

    return http.create_app(settings(**more), title="Things", blueprints=[blueprint])


# The configuration.


@pytest.mark.parametrize(
    ("endpoint", "plain"),
    [
        ("jaeger", True),
        ("ftp://127.0.0.1/v1/traces", True),
        ("http://127.0.0.1:4318", True),
        ("http://127.0.0.1:99999/v1/traces", True),
        ("http://192.0.2.1:4318/v1/traces", True),
        ("https://user:password@host/v1/traces", True),
        ("https://host/v1/traces?x=1", True),
        ("http://127.0.0.1:4318/v1/traces", False),
    ],
)
def test_a_wrong_endpoint_is_refused(endpoint: str, plain: bool, tls_files: config.Tls) -> None:
    identity: dict[str, Any] = dict(IDENTITY)
    if not plain:
        identity |= {
            "tls_ca_file": tls_files.ca_file,
            "tls_certificate_file": tls_files.certificate_file,
            "tls_key_file": tls_files.key_file,
        }
    with pytest.raises(ValidationError, match="TRACES_ENDPOINT"):
        config.ServiceSettings(**identity, service_name="x", traces_endpoint=endpoint)


@pytest.mark.parametrize("wrong", [{"traces_sample_ratio": 1.1}, {"traces_slow_seconds": 0}])
def test_wrong_limits_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_without_an_endpoint_nothing_is_recorded_and_the_callers_trace_goes_on() -> None:
    tracing.start(config.ServiceSettings(**IDENTITY, service_name="x"))
    context.begin(traceparent=KEPT)
    parent = context.current_parent()
    assert parent is not None
    assert not tracing.samples(parent)
    assert not tracing.is_slow(0)
    with tracing.unit("event", kind=SpanKind.CONSUMER, parent=parent), tracing.span("part"):
        assert not tracing.active()
        assert context.current_traceparent() == KEPT
    tracing.stop()


# What is kept.


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.3, 1.0])
def test_the_ratio_holds_for_ids_made_of_uuids(ratio: float) -> None:
    sampler = tracing.RatioSampler(ratio)
    share = sum(sampler.samples(uuid.uuid4().int) for _ in range(20_000)) / 20_000
    assert share == pytest.approx(ratio, abs=0.015)


def test_what_a_lower_ratio_keeps_a_higher_one_keeps_too() -> None:
    low, high = tracing.RatioSampler(0.1), tracing.RatioSampler(0.4)
    ids = [uuid.uuid4().int for _ in range(2_000)]
    assert all(high.samples(one) for one in ids if low.samples(one))


def test_a_request_continues_the_edges_trace(start: Start) -> None:
    kept = start()
    app = made_app()
    assert app.test_client().get("/api/v1/things/fast", headers={"traceparent": KEPT}).status_code == 200
    part, request = sorted(kept(), key=lambda span: span.name != "part")
    assert request.context is not None
    assert f"{request.context.trace_id:032x}" == KEPT.split("-")[1]
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == KEPT.split("-")[2]
    assert part.parent is not None
    assert part.parent.span_id == request.context.span_id
    assert request.kind is SpanKind.SERVER
    assert request.name == "GET /api/v1/things/<thing>"
    assert request.resource.attributes["service.name"] == "things"
    assert request.resource.attributes["cloud.availability_zone"] == "zone-a"
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("fast", 200, []),
        ("slow", 200, ["GET /api/v1/things/<thing>", "part"]),
        ("broken", 500, ["GET /api/v1/things/<thing>", "part"]),
    ],
)
def test_of_what_the_ratio_leaves_out_failures_and_slow_requests_are_kept(
    start: Start, path: str, status: int, expected: list[str]
) -> None:
    kept = start()
    client = made_app().test_client()
    assert client.get(f"/api/v1/things/{path}", headers={"traceparent": LEFT}).status_code == status
    assert names(kept()) == expected


def test_a_client_error_is_no_failure(start: Start) -> None:
    kept = start()
    client = made_app().test_client()
    assert client.get("/nowhere", headers={"traceparent": LEFT}).status_code == 404
    assert client.open("/nowhere", method="BREW", headers={"traceparent": KEPT}).status_code == 404
    (span,) = kept()
    assert (span.name, span.status.status_code) == ("_OTHER", StatusCode.UNSET)


def test_probes_are_no_traces(start: Start) -> None:
    kept = start(traces_sample_ratio=1)
    client = made_app().test_client()
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path, headers={"traceparent": KEPT})
    with tracing._Tracer().start_as_current_span("ping", kind=SpanKind.CLIENT) as span:
        assert not span.is_recording()
    assert kept() == []


def test_the_flag_says_what_the_ratio_says(start: Start) -> None:
    start()
    for given, flag in ((KEPT, "01"), (LEFT, "00")):
        with tracing.unit("event", kind=SpanKind.CONSUMER, parent=context.parse(given)):
            told = context.current_traceparent()
            assert told is not None
            assert told.startswith(given[:36])
            assert told.endswith(flag)
            read, current = context.parse(told), trace.get_current_span().get_span_context()
            assert read is not None
            assert (read.trace_id, read.span_id) == (current.trace_id, current.span_id)


@pytest.mark.parametrize(
    "wrong", [None, "", "00-1-2-01", "ff-" + "1" * 32 + "-" + "1" * 16 + "-01", KEPT + "x"]
)
def test_a_broken_traceparent_is_none(wrong: str | None) -> None:
    assert context.parse(wrong) is None


# The bounds.


def dropped(reason: str) -> float:
    return float(tracing.DROPPED.labels(reason)._value.get())


@contextmanager
def left(name: str = "event") -> Iterator[trace.Span]:
    with tracing.unit(name, kind=SpanKind.CONSUMER, parent=context.parse(LEFT)) as span:
        yield span


def test_a_unit_keeps_a_bounded_number_of_spans(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "UNIT_SPANS", 3)
    kept, before = start(), dropped("buffer")
    with left() as span:
        for _ in range(5):
            with tracing.span("part"):
                pass
        tracing.fail(span, "bad")
    assert names(kept()) == ["event", "part", "part", "part"]
    assert dropped("buffer") - before == 2


def test_all_units_together_are_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "UNITS", 2)
    kept, before = start(), dropped("buffer")
    spans = [
        tracing.begin(f"event {number}", kind=SpanKind.CONSUMER, parent=context.parse(LEFT))
        for number in range(4)
    ]
    for span in spans:
        tracing.fail(span, "bad")
        span.end()
    assert names(kept()) == ["event 2", "event 3"]
    assert dropped("buffer") - before == 2
    assert tracing._state.provider is not None
    (keeper,) = tracing._state.provider._active_span_processor._span_processors
    assert isinstance(keeper, tracing.Keeper)
    assert (keeper._units, keeper._unit_of, keeper._waiting) == ({}, {}, 0)


def test_what_outlives_its_unit_is_not_kept(start: Start) -> None:
    kept = start()
    with left() as span:
        late = tracing.begin_part("late", kind=SpanKind.CLIENT, attributes={})
        tracing.fail(span, "bad")
    late.end()
    assert names(kept()) == ["event"]


def test_a_full_queue_drops(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "QUEUE", 3)
    monkeypatch.setattr(tracing, "BATCH", 3)
    kept, before = start(delay=60_000), dropped("queue")
    for _ in range(5):
        with tracing.unit("event", kind=SpanKind.CONSUMER, parent=context.parse(KEPT)):
            pass
    assert len(kept()) + dropped("queue") - before == 5


class Failing(InMemorySpanExporter):
    result = SpanExportResult.FAILURE

    def export(self, spans: Any) -> SpanExportResult:
        super().export(spans)
        return self.result


def test_an_outage_is_told_once_and_its_end_too() -> None:
    told: list[str] = []
    exporter = Failing()
    sender = tracing.Sender(exporter)
    before = dropped("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing.log, "warning", told.append, raising=False)
        patch.setattr(tracing.log, "info", told.append, raising=False)
        for result in (SpanExportResult.FAILURE, SpanExportResult.FAILURE, SpanExportResult.SUCCESS):
            exporter.result = result
            assert sender.reserve()
            sender.export([ReadableSpan("x")])
    assert told == ["traces cannot be sent; they are dropped", "traces are sent again"]
    assert dropped("export") - before == 2
    assert sender.force_flush()


# Nobody waits for Jaeger.


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections, read nothing and never answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        connections = []
        stop = threading.Event()
        listening.settimeout(0.1)

        def accept() -> None:
            while not stop.is_set():
                try:
                    connections.append(listening.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            thread.join()
            for connection in connections:
                connection.close()


@pytest.mark.parametrize("how", ["silent", "refuses"])
def test_no_request_waits_for_jaeger_and_the_process_ends_in_time(how: str) -> None:
    client = made_app().test_client()

    def slowest() -> float:
        worst = []
        for _ in range(600):
            begun = time.perf_counter()
            assert client.get("/api/v1/things/fast", headers={"traceparent": KEPT}).status_code == 200
            worst.append(time.perf_counter() - begun)
        return sorted(worst)[-20]  # a busy machine delays some of them

    def traced(port: int) -> None:
        before = sum(dropped(reason) for reason in ("export", "queue"))
        tracing.start(settings(traces_endpoint=f"http://127.0.0.1:{port}/v1/traces"))
        try:
            # Who waited for Jaeger would wait for TIMEOUT.
            assert slowest() < tracing.TIMEOUT / 2
            # More than the queue holds; each request has two spans.
            for _ in range(2):
                slowest()
            assert tracing._state.provider is not None
            (keeper,) = tracing._state.provider._active_span_processor._span_processors
            assert isinstance(keeper, tracing.Keeper)
            assert keeper._sender._outstanding <= tracing.QUEUE
            assert len(keeper._batch._batch_processor._queue) <= tracing.QUEUE
        finally:
            begun = time.monotonic()
            tracing.stop()
            lasted = time.monotonic() - begun
        assert lasted < tracing.CLOSING + tracing.TIMEOUT + 2
        assert sum(dropped(reason) for reason in ("export", "queue")) - before == 3 * 600 * 2

    if how == "silent":
        with silent_server() as port:
            traced(port)
    else:
        traced(free_port())


# What is told.


def told(spans: list[ReadableSpan]) -> str:
    return "".join(span.to_json() for span in spans)


def test_nothing_of_a_person_is_told(
    start: Start, postgresql: Server, database: str, redis_server: RedisServer
) -> None:
    kept = start(traces_sample_ratio=1)
    client = made_app().test_client()
    about = {"traceparent": KEPT, "User-Agent": PERSON["name"], "X-Forwarded-For": "203.0.113.77"}
    client.post(f"/api/v1/things?email={PERSON['email']}", json=PERSON, headers=about)
    client.get(f"/api/v1/things/{PERSON['cpf']}", headers=about)
    client.get(f"/nowhere/{PERSON['phone']}", headers=about)
    client.get("/api/v1/things/broken", headers=about)

    store = config.DatabaseSettings(
        **IDENTITY, service_name="things", **database_settings(postgresql, database)
    )
    engine = database_module.make_engine(store)
    redis_configuration = config.RedisSettings(
        **IDENTITY,
        service_name="things",
        traces_endpoint="http://127.0.0.1:1/v1/traces",
        **redis_settings(redis_server),
    )
    redis = cache.make_client(redis_configuration)
    with tracing.unit("event", kind=SpanKind.CONSUMER, parent=context.parse(KEPT)):
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE people (name text, email text UNIQUE)"))
        for _ in range(2):
            try:
                with engine.begin() as connection:
                    connection.execute(text("INSERT INTO people VALUES (:name, :email)"), PERSON)
            except DBAPIError:
                continue
        redis.set(f"things:{PERSON['email']}", PERSON["name"])
    engine.dispose()
    spans = kept()
    assert {"INSERT people", "SET", "COMMIT", "GET", "POST /api/v1/things"} <= {span.name for span in spans}
    statuses = [span.status.status_code for span in spans if span.name == "INSERT people"]
    assert statuses == [StatusCode.UNSET, StatusCode.ERROR]
    for value in [*PERSON.values(), "203.0.113.77", "localhost"]:
        assert value not in told(spans)
    # Both places of an exception's message.
    with tracing._state.tracer.start_as_current_span("library") as span:
        span.record_exception(ValueError(PERSON["email"]))
        span.set_status(StatusCode.ERROR, PERSON["email"])
        span.set_attribute("db.parameters", PERSON["cpf"])
    (library,) = (span for span in kept() if span.name == "library")
    assert PERSON["email"] not in library.to_json()
    assert PERSON["cpf"] not in library.to_json()
    assert library.events[0].attributes == {"exception.type": "ValueError"}


database_module = database


def test_of_mongodb_commands_and_collections_are_told(start: Start) -> None:
    kept = start()
    told_of: dict[str, Any] = {
        "mongodb_hosts": "127.0.0.1:1",
        "mongodb_database": "enrichment",
        "mongodb_user": "worker",
        "mongodb_password": "none",
        "traces_endpoint": "http://127.0.0.1:1/v1/traces",
    }
    client = mongo.make_client(config.MongoSettings(**IDENTITY, service_name="worker", **told_of))
    (listener,) = monitoring._LISTENERS.command_listeners
    where = ("node-a.alicerce.internal", 27017)
    command = {"update": "profiles", "updates": [{"q": {"_id": PERSON["cpf"]}, "u": {"$set": dict(PERSON)}}]}
    failure = {"errmsg": f"E11000 duplicate key {PERSON['email']}", "code": 11000, "codeName": "DuplicateKey"}
    with tracing.unit("event", kind=SpanKind.CONSUMER, parent=context.parse(KEPT)):
        for number in (1, 2):
            listener.started(monitoring.CommandStartedEvent(command, "enrichment", number, where, None))
        listener.succeeded(
            monitoring.CommandSucceededEvent(
                timedelta(0), {"ok": 1, "value": PERSON}, "update", 1, where, None
            )
        )
        listener.failed(monitoring.CommandFailedEvent(timedelta(0), failure, "update", 2, where, None))
    client.close()
    spans = kept()
    assert names(spans) == ["enrichment.update", "enrichment.update", "event"]
    assert (spans[0].attributes or {})["db.mongodb.collection"] == "profiles"
    assert (spans[0].attributes or {})["net.peer.name"] == where[0]
    for value in PERSON.values():
        assert value not in told(spans)


def test_logs_carry_the_current_span(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start()
    logs.configure(settings())
    try:
        context.begin(traceparent=KEPT)
        logs.get_logger("x").warning("outside")
        with tracing.unit("event", kind=SpanKind.CONSUMER, parent=context.current_parent()) as span:
            logging.getLogger("y").warning("inside")
            inside = span.get_span_context()
        outside, line = (json.loads(text) for text in capsys.readouterr().err.splitlines())
    finally:
        structlog.contextvars.clear_contextvars()
        context.begin()
        logs.configure(config.ServiceSettings(**IDENTITY, service_name="test", log_level="WARNING"))
    assert outside["trace_id"] == line["trace_id"] == f"{inside.trace_id:032x}"
    assert "span_id" not in outside
    assert line["span_id"] == f"{inside.span_id:016x}"


# From the outbox to the consumer.


def publish(
    topology: Topology,
    postgresql: Server,
    database: str,
    traceparent: str,
    *,
    event_type: str = "user.updated",
) -> list[tuple[BasicProperties, bytes]]:
    """Write an event within a request, let the relay publish it, and return what is in the queue."""
    told = {
        **database_settings(postgresql, database),
        **broker_settings(topology),
        "metrics_port": 0,
        "database_hosts": f"127.0.0.1:{postgresql.port}",
    }
    relay_settings = relay.RelaySettings(**IDENTITY, service_name="things", **told)
    engine = database_module.make_engine(relay_settings)
    Base.metadata.create_all(engine)
    context.begin(traceparent=traceparent)
    with (
        tracing.unit("request", kind=SpanKind.SERVER, parent=context.current_parent()),
        Session(engine) as session,
    ):
        write_event(session, Outbox, event_type, subject=uuid.uuid4(), data=dict(PERSON))
        session.commit()
    engine.dispose()
    publisher = relay.Publisher(relay_settings)
    publisher.start()
    try:
        wait_for(lambda: publisher.connected)
        with database_module.connect(relay_settings, autocommit=True) as connection:
            relay.Relay(relay_settings, publisher).move(connection)
    finally:
        publisher.close()
    return topology.take()


def consumer_for(topology: Topology, handler: consumer.Handler) -> Consumer:
    told = {**broker_settings(topology), "metrics_port": 0}
    return Consumer(
        config.ConsumerSettings(**IDENTITY, service_name="worker", **told), handler, threading.Event()
    )


def test_one_trace_from_the_request_through_relay_and_broker_to_the_consumer(
    start: Start, postgresql: Server, database: str, broker_vhost: Topology
) -> None:
    kept = start()
    ((properties, body),) = publish(broker_vhost, postgresql, database, KEPT)
    seen: list[Event] = []

    def handle(event: Event) -> None:
        with tracing.span("enrich"):
            seen.append(event)

    assert consumer_for(broker_vhost, handle).judge(body, properties) is Verdict.DONE
    spans = {span.name: span for span in kept()}
    chain = ["request", "publish user.updated", f"process {broker_vhost.queue}", "enrich"]
    assert {*chain, "INSERT outbox", "COMMIT"} == set(spans)
    for above, below in itertools.pairwise(chain):
        parent, upper = spans[below].parent, spans[above].context
        assert parent is not None
        assert upper is not None
        assert (parent.trace_id, parent.span_id) == (upper.trace_id, upper.span_id)
    assert spans[chain[1]].kind is SpanKind.PRODUCER
    assert (spans[chain[1]].attributes or {})["messaging.message.id"] == properties.message_id
    for value in PERSON.values():
        assert value not in told(list(spans.values()))


def test_of_a_trace_that_the_ratio_leaves_out_the_relay_keeps_a_refusal(
    start: Start, postgresql: Server, database: str, broker_vhost: Topology
) -> None:
    kept = start(traces_slow_seconds=60)
    ((properties, _),) = publish(broker_vhost, postgresql, database, LEFT)
    assert kept() == []
    assert (properties.headers or {})["traceparent"].startswith(LEFT[:36])
    assert publish(broker_vhost, postgresql, database, LEFT, event_type="nobody.listens") == []
    (span,) = kept()
    assert (span.name, span.status.status_code) == ("publish nobody.listens", StatusCode.ERROR)
    assert (span.attributes or {})["error.type"] == "refused"


def test_a_slow_confirm_is_kept(
    start: Start, postgresql: Server, database: str, broker_vhost: Topology
) -> None:
    kept = start(traces_slow_seconds=1e-6)
    publish(broker_vhost, postgresql, database, LEFT)
    assert "publish user.updated" in names(kept())


def test_what_a_broken_connection_leaves_unconfirmed_has_failed(start: Start, broker_vhost: Topology) -> None:
    kept = start()
    row = relay.Row(1, uuid.uuid4(), "user.updated", 1, None, uuid.uuid4(), {}, KEPT, 0)  # type: ignore[arg-type]
    publisher = relay.Publisher(
        config.PublisherSettings(**IDENTITY, service_name="things", **broker_settings(broker_vhost))
    )
    batch = relay._Batch([row])
    span = publisher._begin_span(row)
    assert span is not None
    batch.pending[1], batch.spans[1] = row, span
    publisher._batch = batch
    publisher._settle(broken=True)
    (sent,) = kept()
    assert (sent.attributes or {})["error.type"] == "unconfirmed"


def test_an_event_that_cannot_be_handled_is_a_failure(start: Start, broker_vhost: Topology) -> None:
    kept = start()

    def handle(_: Event) -> None:
        raise PoisonEventError

    event = Event.model_validate(
        {
            "id": str(uuid.uuid4()),
            "type": "user.updated",
            "version": 1,
            "occurred_at": "2026-01-01T00:00:00Z",
            "subject": str(uuid.uuid4()),
            "data": {},
        }
    )
    properties = BasicProperties(message_id=str(event.id), headers={"traceparent": LEFT})  # type: ignore[no-untyped-call]
    judge = consumer_for(broker_vhost, handle).judge
    assert judge(event.model_dump_json().encode(), properties) is Verdict.DEAD
    assert judge(b"no event", BasicProperties(headers={"traceparent": 5})) is Verdict.DEAD  # type: ignore[no-untyped-call]
    assert [span.status.status_code for span in kept()] == [StatusCode.ERROR] * 2


def test_an_error_marks_its_span_and_goes_on(start: Start) -> None:
    kept = start()
    with pytest.raises(KeyError), left(), tracing.span("part"):
        raise KeyError(PERSON["email"])
    assert names(kept()) == ["event", "part"]
    assert all((span.attributes or {})["error.type"] == "KeyError" for span in kept())


@pytest.mark.parametrize(("traceparent", "trace_id"), [(LEFT, LEFT[3:35]), ("", None)])
@pytest.mark.parametrize(
    ("event_type", "said"),
    [("user.updated", "event published"), ("nobody.listens", "no queue took an event")],
)
def test_the_relay_tells_of_each_event_whose_it_was(
    postgresql: Server,
    database: str,
    broker_vhost: Topology,
    traceparent: str,
    trace_id: str | None,
    event_type: str,
    said: str,
) -> None:
    with structlog.testing.capture_logs() as lines:
        publish(broker_vhost, postgresql, database, traceparent, event_type=event_type)
    (line,) = (line for line in lines if line.get("type") == event_type)
    assert (line["event"], line.get("trace_id")) == (said, trace_id)
    assert uuid.UUID(line["id"])
