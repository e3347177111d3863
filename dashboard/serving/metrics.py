"""Figures for Prometheus at ``/metrics``: requests, the gate, caches, memory, and the builds that are served.

Processes of one server (`beamscope serve --workers`) share the counts by files in ``PROMETHEUS_MULTIPROC_DIR``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard.services import Services
from exported_models.contract.errors import WorkspaceError
from exported_models.contract.publishing import MANIFEST_NAME

SHARED_FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

router = APIRouter()


class Metrics:
    """The figures of one application."""

    def __init__(self, services: Services) -> None:
        registry = CollectorRegistry()
        self._requests = Counter(
            "beamscope_requests", "Requests by call and outcome.", ("call", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "beamscope_request_seconds", "Time to answer a request.", ("call",), registry=registry, buckets=_SECONDS
        )
        self.running = Gauge(
            "beamscope_calls_running", "Calls that are computed.", registry=registry, multiprocess_mode="livesum"
        )
        self.waiting = Gauge(
            "beamscope_calls_waiting",
            "Calls that wait for a place.",
            ("kind",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._trace_bytes = Gauge(
            "beamscope_cached_trace_bytes", "Traces that are kept.", registry=registry, multiprocess_mode="livesum"
        )
        self._services = services
        self._served = _Served(services)
        self._registry = registry
        registry.register(self._served)
        ProcessCollector(registry=registry)

    def count(self, call: str, outcome: str, seconds: float) -> None:
        """Count a request that was answered, or that ended otherwise."""
        self._requests.labels(call, outcome).inc()
        self._seconds.labels(call).observe(seconds)
        self._trace_bytes.set(self._services.engine.cached_bytes)

    def write(self) -> bytes:
        """All figures in the text format of Prometheus."""
        if SHARED_FOLDER_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # it has no annotations
        shared.register(self._served)
        return generate_latest(shared)


class _Served(Collector):
    """The builds that are published, and since when."""

    def __init__(self, services: Services) -> None:
        self._workspace = services.workspace

    def collect(self) -> Iterator[Metric]:
        """One sample an artefact: the time at which its build was published."""
        published = GaugeMetricFamily(
            "beamscope_published_timestamp_seconds",
            "Time at which the build that is served was published.",
            labels=("kind", "name", "build"),
        )
        for kind, name, build, time in self._list_builds():
            published.add_metric((kind, name, build), time)
        yield published

    def _list_builds(self) -> Iterable[tuple[str, str, str, float]]:
        workspace = self._workspace
        kinds = (
            ("model", workspace.model_ids(), workspace.model_folder),
            ("store", workspace.store_ids(), workspace.store_folder),
        )
        for kind, names, folder_of in kinds:
            for name in names:
                try:
                    folder = folder_of(name)
                    yield kind, name, folder.name, (folder / MANIFEST_NAME).stat().st_mtime
                except (WorkspaceError, OSError):  # unpublished since it was listed
                    continue


@router.get("/metrics", include_in_schema=False)
def read_metrics(request: Request) -> Response:
    """The figures, for Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.write(), media_type=CONTENT_TYPE_LATEST)
