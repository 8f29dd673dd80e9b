"""What the service counts and traces: FastAPI's own telemetry, read by Prometheus; never what a request said."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.telemetry import TelemetryConfig
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

router = APIRouter(tags=["health"])
NOT_COUNTED = ("/healthz", "/readyz", "/metrics", "/assets")
"""How paths begin that say nothing of what people do; nor is anybody refused there for asking often."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """FastAPI's settings, and what Prometheus reads of this process."""

    config: TelemetryConfig
    registry: CollectorRegistry


def make_telemetry() -> Telemetry:
    """
    Count requests by method, route and status, for one process.

    Spans go to the exporter that OpenTelemetry's environment names, if any. Nothing is logged from here: messages of
    errors may hold what somebody sent.
    """
    registry = CollectorRegistry()
    meters = MeterProvider(metric_readers=[PrometheusMetricReader(registry=registry)])
    config = TelemetryConfig(
        meter_provider=meters,
        logs=False,
        operation_spans=False,
        exclude=lambda scope: str(scope.get("path", "")).startswith(NOT_COUNTED),
    )
    return Telemetry(config, registry)


@router.get(
    "/metrics",
    summary="Figures of this process for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "One line a figure"}},
)
def get_metrics(request: Request) -> Response:
    """Show counts and durations by route; no ids, nobody's data."""
    return Response(generate_latest(request.app.state.telemetry.registry), media_type=CONTENT_TYPE_LATEST)
