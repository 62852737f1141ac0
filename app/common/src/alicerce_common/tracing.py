"""Traces: what one request did in every process that it passed, sent to Jaeger by OTLP.

    tracing.start(settings)  # after the fork, in each process
    with tracing.span("enrich"):
        ...
    tracing.stop()

Which traces are kept is a function of the trace's id alone, so all services agree without a word between them. Beyond these
each process keeps its own part of a request that failed or was slow. Sending never delays the work: spans that do not fit
the queue, or that nobody takes, are dropped and counted.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import Counter

from alicerce_common import logs
from alicerce_common.config import ServiceSettings

log = logs.get_logger(__name__)

QUEUE = 2048
"""Spans that wait for Jaeger or are on their way."""
BATCH = 512
"""Spans in one message."""
DELAY = 1000
"""Milliseconds that a span waits for company."""
TIMEOUT = 2.0
"""Seconds for Jaeger to take a batch, further attempts included."""
CLOSING = 3.0
"""Seconds in which the last spans may still be sent when the process ends."""
UNITS = 512
"""Requests or events at once whose fate is open."""
UNIT_SPANS = 200
"""Spans of one of them that wait with it."""
WAITING = 4096
"""Spans of all of them together."""

_RANDOM_BITS = (1 << 56) - 1
_ATTRIBUTES = frozenset(
    {
        "db.collection.name",
        "db.mongodb.collection",
        "db.name",
        "db.namespace",
        "db.operation.name",
        "db.query.text",
        "db.statement",
        "db.system",
        "db.system.name",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "messaging.destination.name",
        "messaging.message.id",
        "messaging.operation.type",
        "messaging.system",
        "net.peer.name",
        "net.peer.port",
        "request.id",
    }
)
"""All that a span may tell: whatever else a library notes might be about a person."""

DROPPED = Counter("alicerce_spans_dropped_total", "Spans that were to be kept and never arrived", ["reason"])
for _reason in ("buffer", "export", "queue"):
    DROPPED.labels(_reason)


class RatioSampler(Sampler):
    """Records everything, and marks the share that is kept in any case.

    Counts the low 56 bits of the id, which W3C wants random (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag):
    the edge makes ids from version 4 UUIDs, whose upper half has fixed bits.
    """

    def __init__(self, ratio: float) -> None:
        self._threshold = round((1 - ratio) * (1 << 56))

    def samples(self, trace_id: int) -> bool:
        """Tell whether a trace belongs to the share."""
        return trace_id & _RANDOM_BITS >= self._threshold

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,  # noqa: ARG002 (the SDK names it)
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[trace.Link] | None = None,  # noqa: ARG002 (as well)
        trace_state: trace.TraceState | None = None,  # noqa: ARG002 (as well)
    ) -> SamplingResult:
        """Decide on one span; a call of a store outside of any request or event, such as a probe, is no trace."""
        parent = trace.get_current_span(parent_context).get_span_context()
        if kind is SpanKind.CLIENT and not parent.is_valid:
            return SamplingResult(Decision.DROP)
        decision = Decision.RECORD_AND_SAMPLE if self.samples(trace_id) else Decision.RECORD_ONLY
        return SamplingResult(decision, attributes, parent.trace_state if parent.is_valid else None)

    def get_description(self) -> str:
        """Name the sampler."""
        return "RatioSampler"


def scrub(span: ReadableSpan) -> ReadableSpan:
    """Return the span with the attributes that are allowed, without words of exceptions, and marked as kept."""
    context = span.context
    assert context is not None  # noqa: S101 (a span that was started has one)
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in _ATTRIBUTES}
    if attributes.get("db.system") == "redis":
        # The library calls any primary that Sentinel named "localhost".
        attributes.pop("net.peer.name", None)
        attributes.pop("net.peer.port", None)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(
            context.trace_id,
            context.span_id,
            is_remote=False,
            trace_flags=TraceFlags(context.trace_flags | TraceFlags.SAMPLED),
            trace_state=context.trace_state,
        ),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[
            Event(
                event.name,
                {key: value for key, value in (event.attributes or {}).items() if key == "exception.type"},
                event.timestamp,
            )
            for event in span.events
        ],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class Sender(SpanExporter):
    """Hands batches to an exporter, counts what is lost, and gives up in time when the process ends."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lock = threading.Lock()
        self._outstanding = 0
        self._deadline = float("inf")
        self._failing = False

    def reserve(self) -> bool:
        """Take a place in the queue; False when there is none."""
        with self._lock:
            if self._outstanding >= QUEUE:
                return False
            self._outstanding += 1
            return True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, from the thread of the batch processor."""
        result = SpanExportResult.FAILURE
        try:
            if time.monotonic() < self._deadline:
                result = self._exporter.export(spans)
        finally:
            with self._lock:
                self._outstanding -= len(spans)
            if result is not SpanExportResult.SUCCESS:
                DROPPED.labels("export").inc(len(spans))
        failing = result is not SpanExportResult.SUCCESS
        if failing != self._failing:
            self._failing = failing
            log.warning("traces cannot be sent; they are dropped") if failing else log.info(
                "traces are sent again"
            )
        return result

    def close(self) -> None:
        """Send nothing more that begins after `CLOSING` seconds."""
        self._deadline = time.monotonic() + CLOSING

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)


@dataclass
class _Unit:
    """One request or event in this process: the spans that wait for the end of its first one."""

    spans: list[ReadableSpan] = field(default_factory=list)
    open: set[int] = field(default_factory=set)


class Keeper(SpanProcessor):
    """Passes on what the ratio keeps, and of the rest the units whose first span failed or was slow."""

    def __init__(self, exporter: SpanExporter, *, slow_seconds: float, delay: float = DELAY) -> None:
        self._slow = slow_seconds * 1e9
        self._sender = Sender(exporter)
        self._batch = BatchSpanProcessor(
            self._sender, max_queue_size=QUEUE, schedule_delay_millis=delay, max_export_batch_size=BATCH
        )
        self._lock = threading.Lock()
        self._units: OrderedDict[int, _Unit] = OrderedDict()  # by the first span's id
        self._unit_of: dict[int, _Unit] = {}  # by the id of a span that has not ended
        self._waiting = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 (the SDK names it)
        """Note to which unit a span belongs."""
        context = span.context
        if context.trace_flags.sampled:
            return
        with self._lock:
            unit = self._unit_of.get(span.parent.span_id) if span.parent else None
            if unit is None:
                unit = self._units[context.span_id] = _Unit()
                if len(self._units) > UNITS:
                    self._forget(next(iter(self._units)), lost=True)
            unit.open.add(context.span_id)
            self._unit_of[context.span_id] = unit

    def on_end(self, span: ReadableSpan) -> None:
        """Send a span, keep it waiting, or decide on its unit. What outlives its unit's first span is not kept."""
        context = span.context
        assert context is not None  # noqa: S101 (a span that was started has one)
        if context.trace_flags.sampled:
            self._send([span])
            return
        kept: list[ReadableSpan] = []
        with self._lock:
            unit = self._unit_of.pop(context.span_id, None)
            if unit is None:
                return
            unit.open.discard(context.span_id)
            if self._units.get(context.span_id) is unit:
                if self._is_worth_keeping(span):
                    kept = [*unit.spans, span]
                self._forget(context.span_id, lost=False)
            elif len(unit.spans) < UNIT_SPANS and self._waiting < WAITING:
                unit.spans.append(span)
                self._waiting += 1
            else:
                DROPPED.labels("buffer").inc()
        self._send(kept)

    def _is_worth_keeping(self, span: ReadableSpan) -> bool:
        lasted = (span.end_time or 0) - (span.start_time or 0)
        return span.status.status_code is StatusCode.ERROR or lasted > self._slow

    def _forget(self, first: int, *, lost: bool) -> None:
        unit = self._units.pop(first)
        for span_id in unit.open:
            self._unit_of.pop(span_id, None)
        self._waiting -= len(unit.spans)
        if lost:
            DROPPED.labels("buffer").inc(len(unit.spans) + len(unit.open))

    def _send(self, spans: Sequence[ReadableSpan]) -> None:
        for span in spans:
            if self._sender.reserve():
                self._batch.on_end(scrub(span))
            else:
                DROPPED.labels("queue").inc()

    def shutdown(self) -> None:
        """Send what waits, for `CLOSING` seconds and one `TIMEOUT` at most."""
        self._sender.close()
        self._batch.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send what waits now."""
        return self._batch.force_flush(timeout_millis)


class _Tracer(trace.Tracer):
    """Starts spans where `start` says, also for what was set up before it: gunicorn loads the application and then forks."""

    def start_span(self, *arguments: Any, **options: Any) -> trace.Span:
        return _state.tracer.start_span(*arguments, **options)

    def start_as_current_span(self, *arguments: Any, **options: Any) -> Any:
        return _state.tracer.start_as_current_span(*arguments, **options)


class _Provider(trace.TracerProvider):
    """What the instrumentations of libraries are given."""

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return _Tracer()


class _State:
    """What this process has started."""

    tracer: trace.Tracer = trace.NoOpTracer()
    provider: TracerProvider | None = None
    sampler = RatioSampler(0)
    slow_seconds = float("inf")


_state = _State()
provider = _Provider()


def start(settings: ServiceSettings, *, exporter: SpanExporter | None = None, delay: float = DELAY) -> None:
    """Begin to trace in this process, if TRACES_ENDPOINT says where to; after a fork, never before one."""
    if not settings.traces_endpoint:
        return
    tls = settings.tls
    session = requests.Session()
    # Proxies and authorities of the environment are for the outside.
    session.trust_env = False
    exporter = exporter or OTLPSpanExporter(
        endpoint=settings.traces_endpoint,
        certificate_file=str(tls.ca_file) if tls else None,
        client_certificate_file=str(tls.certificate_file) if tls else None,
        client_key_file=str(tls.key_file) if tls else None,
        timeout=TIMEOUT,
        session=session,
    )
    _state.sampler = RatioSampler(settings.traces_sample_ratio)
    _state.slow_seconds = settings.traces_slow_seconds
    _state.provider = TracerProvider(
        sampler=_state.sampler,
        resource=Resource(
            {
                "service.name": settings.service_name,
                "service.version": settings.service_release,
                "host.name": settings.host_name,
                "cloud.availability_zone": settings.availability_zone,
            }
        ),
        shutdown_on_exit=False,
    )
    _state.provider.add_span_processor(
        Keeper(exporter, slow_seconds=settings.traces_slow_seconds, delay=delay)
    )
    _state.tracer = _state.provider.get_tracer("alicerce")


def stop() -> None:
    """Send what waits, in bounded time, and trace no more."""
    started, _state.provider = _state.provider, None
    _state.tracer = trace.NoOpTracer()
    _state.sampler = RatioSampler(0)
    _state.slow_seconds = float("inf")
    if started is not None:
        started.shutdown()


def active() -> bool:
    """Tell whether what is done now belongs to a trace that is recorded."""
    return trace.get_current_span().is_recording()


def begin(
    name: str,
    *,
    kind: SpanKind,
    parent: SpanContext | None = None,
    start_time: int | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> trace.Span:
    """Start the first span of a request or an event in this process (`start_time` in ns); the caller ends it."""
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent), Context()) if parent else Context()
    return _state.tracer.start_span(name, context, kind, attributes, start_time=start_time)


@contextmanager
def unit(
    name: str, *, kind: SpanKind, parent: SpanContext | None, attributes: Mapping[str, Any] | None = None
) -> Iterator[trace.Span]:
    """Work on one event under a span of its own."""
    first = begin(name, kind=kind, parent=parent, attributes=attributes)
    with trace.use_span(first, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield first
        except BaseException as error:
            fail(first, error)
            raise


def begin_part(name: str, *, kind: SpanKind, attributes: Mapping[str, Any]) -> trace.Span:
    """Start a span below the current one, without making it the current one; the caller ends it."""
    return _state.tracer.start_span(name, kind=kind, attributes=attributes)


@contextmanager
def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Any] | None = None
) -> Iterator[trace.Span]:
    """Do a part of what the current span covers; without one, nothing is recorded."""
    if not active():
        yield trace.INVALID_SPAN
        return
    with _state.tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as part:
        try:
            yield part
        except BaseException as error:
            fail(part, error)
            raise


def fail(span: trace.Span, error: BaseException | str) -> None:
    """Mark a span as failed; of an exception only its type is told, since its message may quote a person."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error if isinstance(error, str) else type(error).__qualname__)


def samples(context: SpanContext) -> bool:
    """Tell whether this process traces, and the ratio keeps this trace."""
    return _state.provider is not None and _state.sampler.samples(context.trace_id)


def is_slow(start_time: int) -> bool:
    """Tell whether this process traces, and what began at `start_time` (ns) is slow by now."""
    return _state.provider is not None and time.time_ns() - start_time > _state.slow_seconds * 1e9
