"""What became of every request. For bench/ and the tests; imports nothing of cove."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

KEPT_FAILURES = 50


@dataclass(frozen=True)
class Failure:
    """One failed request; `at` counts seconds from the start of the load."""

    at: float
    due: float
    request: str
    reason: str
    version: str


@dataclass
class Report:
    """The counts of one load.

    Every request that was due is in `sent`, and in exactly one of `ok` and `failed` once it
    ended. `reasons` counts failures by status ("502") or by name: "refused", "reset",
    "eof" (closed before the answer was whole), "timeout", "wrong body", "protocol", "tls",
    "goaway", "stream reset", "no connection" (the queue was full).
    Latencies are seconds from the moment a request was due, so that time spent waiting for a
    connection counts too.
    """

    sent: int = 0
    ok: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    longest_wait: float = 0.0  # the worst latency of a success beyond the delay it asked for
    failures: list[Failure] = field(default_factory=list)  # the first KEPT_FAILURES
    first_failure: float | None = None
    last_failure: float | None = None
    connections_opened: int = 0
    duration: float = 0.0
    cpu_seconds: float = 0.0  # of the event loop's thread

    @property
    def failed(self) -> int:
        """The number of failed requests."""
        return self.reasons.total()

    @property
    def pending(self) -> int:
        """The number of requests that have not ended yet."""
        return self.sent - self.ok - self.failed

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.sent / self.duration if self.duration else 0.0

    @property
    def cpu_per_request(self) -> float:
        """Microseconds of processor time for each request."""
        return self.cpu_seconds / self.sent * 1e6 if self.sent else 0.0

    def succeed(self, latency: float, version: str, delay: float = 0.0) -> None:
        """Count one whole, correct answer, and the delay in seconds that it asked for."""
        self.ok += 1
        self.latencies.append(latency)
        self.longest_wait = max(self.longest_wait, latency - delay)
        if version:
            self.versions[version] += 1

    def fail(self, failure: Failure) -> None:
        """Count one failure."""
        self.reasons[failure.reason] += 1
        self.first_failure = failure.at if self.first_failure is None else self.first_failure
        self.last_failure = failure.at
        if failure.version:
            self.versions[failure.version] += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(failure)

    def percentile(self, share: float) -> float:
        """Return the latency in seconds that `share` of the successes do not exceed; 0 for none."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it; latencies in milliseconds."""
        return {
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "pending": self.pending,
            "reasons": dict(self.reasons),
            "versions": dict(self.versions),
            "latency_ms": {
                name: round(self.percentile(share) * 1000, 2)
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
            },
            "longest_wait_ms": round(self.longest_wait * 1000, 2),
            "first_failure_s": self.first_failure,
            "last_failure_s": self.last_failure,
            "failures": [vars(failure) for failure in self.failures],
            "connections_opened": self.connections_opened,
            "duration_s": round(self.duration, 3),
            "rate": round(self.rate, 1),
            "cpu_us_per_request": round(self.cpu_per_request, 1),
        }

    def __str__(self) -> str:
        """Return a few lines for people."""
        lines = [
            f"{self.sent} sent in {self.duration:.1f} s ({self.rate:.0f}/s)",
            f"{self.ok} ok, {self.failed} failed, {self.pending} pending",
            "latency p50 {:.1f} ms, p95 {:.1f} ms, p99 {:.1f} ms, max {:.1f} ms".format(
                *(self.percentile(share) * 1000 for share in (0.5, 0.95, 0.99, 1.0))
            ),
            f"versions {dict(self.versions)}",
            f"{self.connections_opened} connections opened",
            f"{self.cpu_per_request:.0f} µs of processor time per request",
        ]
        lines += [f"{count} × {reason}" for reason, count in self.reasons.most_common()]
        lines += [f"  at {f.at:.3f} s: {f.request}: {f.reason}" for f in self.failures[:10]]
        return "\n".join(lines)
