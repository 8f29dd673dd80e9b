"""What the service counts and traces: FastAPI's own telemetry, read by Prometheus; never what a request said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util import types
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

router = APIRouter(tags=["health"])
NOT_COUNTED = ("/healthz", "/readyz", "/metrics", "/assets")
"""How paths begin that say nothing of what people do; nor is anybody refused there for asking often."""
_SAID_BY_REQUESTS = ("url.path", "url.query", "server.address", "http.request.method_original")
"""What FastAPI puts into spans and may be somebody's home, booking or token; `http.route` says which route it was."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """FastAPI's settings, and what Prometheus reads of this process."""

    config: TelemetryConfig
    registry: CollectorRegistry


def make_telemetry() -> Telemetry:
    """
    Count requests by method, route and status, for one process.

    Spans are made where a tracer provider of OpenTelemetry's SDK is set before the service is built, as
    `opentelemetry-instrument` does, and go where it sends them, without what requests say. Nothing is logged from here:
    messages of errors may hold what somebody sent.
    """
    registry = CollectorRegistry()
    meters = MeterProvider(metric_readers=[PrometheusMetricReader(registry=registry)])
    tracers = trace.get_tracer_provider()
    config = TelemetryConfig(
        meter_provider=meters,
        tracing=isinstance(tracers, TracerProvider),
        tracer_provider=_DiscreetProvider(tracers),
        logs=False,
        operation_spans=False,
        auto_configure=False,  # what it sets would send spans past us
        exclude=lambda scope: str(scope.get("path", "")).startswith(NOT_COUNTED),
    )
    return Telemetry(config, registry)


class _DiscreetProvider(trace.TracerProvider):
    """Gives another provider's tracers, which leave out of spans what a request says."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *names: Any, **more: Any) -> trace.Tracer:  # noqa: ANN401 -- handed on
        """Give a tracer."""
        return _DiscreetTracer(self._provider.get_tracer(*names, **more))


class _DiscreetTracer(trace.Tracer):
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: types.Attributes = None,
        *more: Any,  # noqa: ANN401 -- handed on
        **settings: Any,  # noqa: ANN401 -- handed on
    ) -> trace.Span:
        """Start a span that says which route was asked for, and not what."""
        kept = {key: value for key, value in (attributes or {}).items() if key not in _SAID_BY_REQUESTS}
        return self._tracer.start_span(name, context, kind, kept, *more, **settings)

    def start_as_current_span(self, name: str, *more: Any, **settings: Any) -> Any:  # noqa: ANN401 -- handed on
        """Nobody asks for it: spans of operations are off."""
        return self._tracer.start_as_current_span(name, *more, **settings)


@router.get(
    "/metrics",
    summary="Figures of this process for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "One line a figure"}},
)
def get_metrics(request: Request) -> Response:
    """Show counts and durations by route; no ids, nobody's data."""
    return Response(generate_latest(request.app.state.telemetry.registry), media_type=CONTENT_TYPE_LATEST)
