"""What a request or an event carries from the edge to the last log line: its id and its W3C trace context."""

import re
import uuid
from contextvars import ContextVar

import structlog
from opentelemetry import trace

REQUEST_ID_HEADER = "X-Request-ID"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def begin(*, request_id: str | None = None, traceparent: str | None = None) -> str:
    """Start the context of one request or event and return its id; what is not well-formed is replaced or left out."""
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    given = _TRACEPARENT.fullmatch(traceparent or "")
    _traceparent.set(given.group(0) if given else None)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    if given:
        structlog.contextvars.bind_contextvars(trace_id=given.group(1))
    return request_id


def current_traceparent() -> str | None:
    """Return the trace context that events written now should carry."""
    span = trace.get_current_span().get_span_context()
    return render(span) if span.is_valid else _traceparent.get()


def current_parent() -> trace.SpanContext | None:
    """Return the caller's span, which `begin` was told of."""
    return parse(_traceparent.get())


def parse(traceparent: str | None) -> trace.SpanContext | None:
    """Read a `traceparent`; what is not well-formed is none."""
    given = _TRACEPARENT.fullmatch(traceparent or "")
    if given is None:
        return None
    _, trace_id, span_id, flags = given.group(0).split("-")[:4]
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16))
    )


def render(span: trace.SpanContext) -> str:
    """Write a span as `traceparent`. The flag `sampled` says what the ratio says, not what failed or was slow."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags & trace.TraceFlags.SAMPLED:02x}"
