"""JSON logs on standard error, one object a line; no personal data, tokens, bodies or messages of exceptions.

An exception's message may quote what a person sent (`Key (email)=(…) already exists`), so only its type,
its SQLSTATE and its frames are written.
"""

import logging
import sys
import traceback
from typing import Any

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from alicerce_common.config import ServiceSettings

_SENSITIVE = (
    "password",
    "secret",
    "token",
    "authorization",
    "cookie",
    "email",
    "phone",
    "cpf",
    "birth",
    "address",
    "body",
)
_NOISY = {
    # Of traces that cannot be sent, alicerce_common.tracing tells once.
    "opentelemetry": logging.CRITICAL,
    "pika": logging.CRITICAL,
    "urllib3": logging.WARNING,
    "pymongo": logging.WARNING,
    "werkzeug": logging.WARNING,
}


def _describe(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-20:]],
    }
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if state:
        described["sqlstate"] = state
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = _describe(cause)
    return described


def _exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = _describe(error)
    return event


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key in event:
        if any(word in key.lower() for word in _SENSITIVE):
            event[key] = "[redacted]"
    return event


def _trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.update(trace_id=f"{span.trace_id:032x}", span_id=f"{span.span_id:016x}")
    return event


def _severity(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["severity"] = event.pop("level", method)
    return event


def configure(settings: ServiceSettings) -> None:
    """Send structlog and the standard library's loggers through one formatter."""

    def identity(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.update(service=settings.service_name, host=settings.host_name, zone=settings.availability_zone)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _severity,
        identity,
        _trace,
        _exception,
        _redact,
        structlog.processors.EventRenamer("message"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name, level in _NOISY.items():
        logging.getLogger(name).setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; give facts as keywords: `log.info("event published", type=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
