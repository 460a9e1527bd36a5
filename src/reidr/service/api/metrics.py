"""What Prometheus is told. No number has a label that names a person, a camera or a caller."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The numbers of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "reidr_http_requests", "Answered requests.", ("method", "path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "reidr_http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "path"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.refused = Counter(
            "reidr_refused", "Requests refused because too much is under way.", ("why",), registry=self.registry
        )
        self.waiting = Gauge("reidr_waiting", "Requests that wait or are answered.", registry=self.registry)
        self.work = Histogram(
            "reidr_work_seconds",
            "Time that the models or the stores took, without waiting.",
            ("kind",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.crops = Gauge("reidr_gallery_crops", "Crops in the gallery.", registry=self.registry)
        self.tracks = Gauge("reidr_gallery_tracks", "Tracks in the gallery.", registry=self.registry)
        self.version = Gauge("reidr_gallery_version", "Number of the gallery's last change.", registry=self.registry)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)
