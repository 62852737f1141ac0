"""The web application of a service: one factory, and one decorator that declares an endpoint.

    blueprint = Blueprint("things", __name__, url_prefix="/api/v1/things")

    @blueprint.post("")
    @endpoint("Make a thing", body=NewThing, answer=Thing, status=201, access="token", problems=(409,))
    def make(body: NewThing) -> Thing: ...

A view gets `body` and `query` as checked models beside the path's parameters, and returns a model, None, or
(model, headers). The OpenAPI document is made from the same declarations.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Literal, ParamSpec, TypeVar

from flask import Blueprint, Flask, Response, g, request
from opentelemetry import trace
from opentelemetry.context import attach, detach
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.middleware.proxy_fix import ProxyFix

from alicerce_common import context, errors, health, metrics, openapi, tokens, tracing
from alicerce_common.config import WebSettings
from alicerce_common.errors import ProblemError
from alicerce_common.logs import get_logger

log = get_logger("alicerce.access")

_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""

Access = Literal["public", "token", "administrator"]
P = ParamSpec("P")
M = TypeVar("M", bound=BaseModel)


class RequestModel(BaseModel):
    """Base of what clients send: names every field that it does not know, and quotes nothing in its errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


@dataclass(frozen=True)
class Operation:
    """What an endpoint declares about itself."""

    summary: str
    access: Access
    status: int
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: type[BaseModel] | None
    problems: tuple[int, ...]


def endpoint(
    summary: str,
    *,
    access: Access,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    answer: type[BaseModel] | None = None,
    status: int = HTTPStatus.OK,
    problems: Sequence[int] = (),
) -> Callable[[Callable[P, Any]], Callable[..., Response]]:
    """Declare a view: who may call it, what it takes, what it answers."""
    operation = Operation(summary, access, int(status), body, query, answer, tuple(problems))

    def decorate(view: Callable[P, Any]) -> Callable[..., Response]:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Response:  # passes the path's parameters on
            if access != "public":
                tokens.authenticate(tokens.ADMINISTRATOR if access == "administrator" else None)
            if query is not None:
                kwargs["query"] = parse_query(query)
            if body is not None:
                kwargs["body"] = parse_body(body)
            result = view(*args, **kwargs)
            model, headers = result if isinstance(result, tuple) else (result, {})
            response = Response(status=operation.status)
            if model is not None:
                response.set_data(model.model_dump_json())
                response.content_type = "application/json"
            # What is behind a token, or is one, belongs in no cache unless the view says otherwise.
            response.headers["Cache-Control"] = "no-store"
            response.headers.update(headers)
            return response

        wrapper.operation = operation  # type: ignore[attr-defined]
        return wrapper

    return decorate


def parse_body(model: type[M]) -> M:
    """Read the request's JSON; raises ProblemError 400, 415, 422 (and werkzeug's 413)."""
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")
    try:
        return model.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        raise errors.from_validation(error) from None


def parse_query(model: type[M]) -> M:
    """Read the query string; raises ProblemError 422."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise errors.from_validation(error) from None


def _route() -> str | None:
    return request.url_rule.rule if request.url_rule else None


def _begin_span() -> None:
    """Start the request's span. Of its address only the route's template is told: the rest may be about a person."""
    route = _route()
    parent = context.current_parent()
    method = request.method if request.method in _METHODS else "_OTHER"
    if route in _UNTRACED:
        g.span = trace.INVALID_SPAN
    else:
        attributes = {"http.request.method": method, "request.id": g.request_id}
        if route:
            attributes["http.route"] = route
        g.span = tracing.begin(
            f"{method} {route}" if route else method,
            kind=trace.SpanKind.SERVER,
            parent=parent,
            attributes=attributes,
        )
    g.span_token = attach(trace.set_span_in_context(g.span))


def create_app(
    settings: WebSettings,
    *,
    title: str,
    blueprints: Sequence[Blueprint],
    checks: Sequence[health.Check] = (),
    verifier: tokens.TokenVerifier | None = None,
) -> Flask:
    """Build the application. It opens no connection and starts no thread: gunicorn loads it before it forks."""
    app = Flask(settings.service_name, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    if settings.forwarded_hops:
        hops = settings.forwarded_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=1, x_host=1)  # type: ignore[method-assign]

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = context.begin(
            request_id=request.headers.get(context.REQUEST_ID_HEADER),
            traceparent=request.headers.get("traceparent"),
        )
        _begin_span()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers[context.REQUEST_ID_HEADER] = g.request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        g.span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            tracing.fail(g.span, str(response.status_code))
        route = _route()
        write = log.debug if route in _UNTRACED else log.info
        write(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            duration_ms=round((time.perf_counter() - g.started) * 1000, 1),
            bytes=response.content_length,
        )
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if "span" in g:
            if error is not None:
                tracing.fail(g.span, error)
            g.span.end()
            detach(g.span_token)

    errors.init_app(app)
    health.init_app(app, settings, health.Readiness(checks))
    metrics.init_app(app, release=settings.service_release)
    if verifier is not None:
        tokens.init_app(app, verifier)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    openapi.init_app(
        app,
        title=title,
        path=f"/api/v1/{settings.service_name}/openapi.json",
        version=settings.service_release,
    )
    return app
