"""Every error of a service as problem details (RFC 9457)."""

from http import HTTPStatus
from importlib import import_module
from typing import Any

from flask import Flask, Response, g, json, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from alicerce_common.logs import get_logger

log = get_logger(__name__)

RETRY_AFTER = 2
"""Seconds after which a client may try again when a store is away."""

# What the stores' clients raise when a store cannot be reached or is changing its leader.
_UNAVAILABLE = {
    "sqlalchemy.exc": ("OperationalError", "InterfaceError", "TimeoutError"),
    "psycopg": ("OperationalError",),
    "redis.exceptions": ("ConnectionError", "TimeoutError", "ReadOnlyError"),
    "pymongo.errors": ("ConnectionFailure", "ExecutionTimeout", "WaitQueueTimeoutError", "WTimeoutError"),
    "pybreaker": ("CircuitBreakerError",),
}

# pydantic's error types under the names that clients may rely on.
_CODES = {
    "missing": "required",
    "date_from_datetime_inexact": "date",
    "date_from_datetime_parsing": "date",
    "date_parsing": "date",
    "date_type": "date",
    "extra_forbidden": "unknown",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "string_pattern_mismatch": "invalid",
}


class ProblemError(Exception):
    """An answer other than success, to be raised anywhere below a view."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or HTTPStatus(status).phrase)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def field_error(field: str, code: str, message: str) -> dict[str, str]:
    """Return one entry of `errors`."""
    return {"field": field, "code": code, "message": message}


def invalid(*errors: dict[str, str]) -> ProblemError:
    """Return the 422 that names each wrong field."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "Some fields are not valid.", errors=list(errors))


def from_validation(error: ValidationError) -> ProblemError:
    """Return 400 when the body is not JSON, else the 422 that names each wrong field; never what was sent."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        return ProblemError(HTTPStatus.BAD_REQUEST, "The body is not valid JSON.")
    return invalid(
        *(
            field_error(
                ".".join(str(part) for part in problem["loc"]),
                _CODES.get(problem["type"], problem["type"]),
                problem["msg"],
            )
            for problem in problems
        )
    )


def unavailable_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions by which the installed clients say that a store cannot be reached now."""
    found: list[type[Exception]] = []
    for module, names in _UNAVAILABLE.items():
        try:
            loaded = import_module(module)
        except ModuleNotFoundError:
            continue
        found += [getattr(loaded, name) for name in names]
    return tuple(found)


def problem_response(problem: ProblemError) -> Response:
    """Render a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
        "request_id": g.get("request_id"),
        "errors": problem.errors,
    }
    response = Response(
        json.dumps({name: value for name, value in body.items() if value is not None}),
        status=problem.status,
        content_type="application/problem+json",
        headers=problem.headers,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _from_http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return problem_response(ProblemError(error.code, error.description, headers=headers))


def _unavailable(error: Exception) -> Response:
    log.warning("store unavailable", exc_info=error)
    return problem_response(
        ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "A store that this needs cannot be reached at the moment.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )
    )


def _unexpected(error: Exception) -> Response:
    log.error("unhandled exception", exc_info=error)
    return problem_response(
        ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "The error was logged under this request id.")
    )


def init_app(app: Flask) -> None:
    """Answer every error of the application as problem details."""
    app.register_error_handler(ProblemError, problem_response)
    app.register_error_handler(ValidationError, _unexpected)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _unexpected)
    for unavailable in unavailable_errors():
        app.register_error_handler(unavailable, _unavailable)
    # A demoted primary says "read-only transaction", which SQLAlchemy files under InternalError.
    try:
        internal_error = import_module("sqlalchemy.exc").InternalError
    except ModuleNotFoundError:
        return
    app.register_error_handler(
        internal_error,
        lambda error: (
            _unavailable(error) if getattr(error.orig, "sqlstate", None) == "25006" else _unexpected(error)
        ),
    )
