"""The load generator as a process of its own, so that its cost can be told apart. For bench/."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.lab.instance import TOP, BenchError
from bench.lab.machine import Busy

LIMIT = 900.0  # seconds; whatever happens to the measurement, the load ends
WARM_UP = 1.0  # seconds of load before and after what is measured


@dataclass
class Load:
    """A load in the background: `with Load(…) as load:`, then `load.report`.

    The report is the generator's own, with two shares added: `generator_cpu` of one core,
    `machine_busy` of all cores.
    """

    host: str
    port: int
    protocol: str
    rate: float
    mix: str = "0.7,0.1,0.2"
    ca_file: Path | None = None
    report: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _busy: Busy = field(default_factory=Busy)

    def __enter__(self) -> Self:
        """Start, and wait until requests are in flight."""
        command = [sys.executable, "-m", "bench.load", "--json", "--seconds", str(LIMIT)]
        command += ["--host", self.host, "--port", str(self.port), "--protocol", self.protocol]
        command += ["--rate", str(self.rate), "--mix", self.mix]
        command += ["--ca", str(self.ca_file)] if self.ca_file else []
        self._busy = Busy()
        self._process = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)
        time.sleep(WARM_UP)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for the requests in flight. Raise BenchError without a report."""
        assert self._process
        time.sleep(WARM_UP)
        self._process.send_signal(signal.SIGTERM)
        output = self._process.communicate()[0]
        if not output:
            raise BenchError("the load generator ended without a report")
        self.report = json.loads(output)
        cpu = self.report["cpu_us_per_request"] * self.report["sent"] / 1e6
        self.report["generator_cpu"] = cpu / self.report["duration_s"]
        self.report["machine_busy"] = self._busy.share()
