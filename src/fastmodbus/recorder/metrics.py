"""What a recording tells Prometheus: a page of counters, made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .stats import RecordStats

if TYPE_CHECKING:
    from .sources import PollerLike

HOST = "127.0.0.1"
QUANTILES = (50, 99)


@contextmanager
def serve(port: int, stats: RecordStats, poller: PollerLike | None) -> Iterator[int]:
    """Serve the counters on loopback; the port, which 0 leaves to the system."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(_Collector(stats, poller))
    server, thread = start_http_server(port, addr=HOST, registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Collector:
    """Makes the counters, for the client library of Prometheus."""

    def __init__(self, stats: RecordStats, poller: PollerLike | None) -> None:
        self._stats, self._poller = stats, poller

    def collect(self) -> Iterator[Any]:
        yield from _of_recording(self._stats)
        if self._poller is not None:
            yield from _of_polling(self._poller.stats)


def _of_recording(stats: RecordStats) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, value, text in (
        ("rows", stats.rows, "Rows written"),
        ("bytes", stats.bytes, "Bytes written to journals"),
        ("files", stats.files, "Parquet files made"),
        ("dropped_rows", stats.dropped, "Rows lost before they could be written"),
    ):
        yield CounterMetricFamily(f"fastmodbus_recorded_{name}", text, value)
    yield GaugeMetricFamily("fastmodbus_recording_paused", "1 while the disk refuses", int(stats.paused))
    values = CounterMetricFamily("fastmodbus_values", "Values by quality", labels=["device", "quality"])
    for (device, quality), count in stats.qualities.items():
        values.add_metric([device, quality.name], count)
    yield values


def _of_polling(devices: Mapping[str, Any]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, text in (("polls", "Rows polled"), ("missed", "Rows with something not asked for in time"),
                       ("retries", "Requests sent again")):  # fmt: skip
        family = CounterMetricFamily(f"fastmodbus_{name}", text, labels=["device"])
        for device, found in devices.items():
            family.add_metric([device], getattr(found, name))
        yield family
    for name, text in (("lateness", "From a row's instant to its first request"), ("round_trip", "To the answer")):
        gauge = GaugeMetricFamily(f"fastmodbus_{name}_seconds", text, labels=["device", "quantile"])
        for device, found in devices.items():
            for percent in QUANTILES:
                gauge.add_metric([device, f"{percent / 100:g}"], getattr(found, name)(percent))
        yield gauge
