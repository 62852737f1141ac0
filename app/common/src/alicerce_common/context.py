"""What a request or an event carries from the edge to the last log line: its id and its W3C trace context."""

import re
import uuid
from contextvars import ContextVar

import structlog

REQUEST_ID_HEADER = "X-Request-ID"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def begin(*, request_id: str | None = None, traceparent: str | None = None) -> str:
    """Start the context of one request or event and return its id; what is not well-formed is replaced or left out."""
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    trace = _TRACEPARENT.fullmatch(traceparent or "")
    _traceparent.set(trace.group(0) if trace else None)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    if trace:
        structlog.contextvars.bind_contextvars(trace_id=trace.group(1))
    return request_id


def current_traceparent() -> str | None:
    """Return the trace context that events written now should carry."""
    return _traceparent.get()
