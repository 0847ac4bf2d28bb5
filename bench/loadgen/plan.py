"""What the load generator is to do: the target, the rate and the mix of requests.

For bench/ and the tests; imports nothing of cove.
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Protocol = Literal["h1", "h1s", "h2"]

BODY_KINDS = 32
SLEEP_KINDS = 16
MIN_BODY = 1024
MAX_BODY = 64 * 1024


@dataclass(frozen=True)
class Mix:
    """The shares of each kind of request; they add up to 1.

    `get` asks for `path`; `sleep` asks for an answer after 1 to 2 seconds; `echo` posts 1 to
    64 KB and checks the digest that comes back (examples/hello/app.py answers all three).
    """

    get: float = 0.7
    sleep: float = 0.1
    echo: float = 0.2
    path: str = "/"

    def __post_init__(self) -> None:
        """Raise ValueError when the shares are none."""
        shares = (self.get, self.sleep, self.echo)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError(f"the shares of a mix must add up to 1: {shares}")


@dataclass(frozen=True)
class Plan:
    """One load. Raise ValueError unless `address` belongs to this machine alone.

    `host` goes into the Host header, `:authority` and SNI; the connection goes to
    `address`, since the system's resolver does not know `*.localhost`. Times in seconds.
    """

    host: str
    port: int
    rate: float = 100.0
    protocol: Protocol = "h1"
    address: str = "127.0.0.1"
    mix: Mix = field(default_factory=Mix)
    connections: int = 0  # at most so many; 0: 512 for HTTP/1.1, 4 for HTTP/2
    queue: int = 10_000  # requests that may wait for a connection
    timeout: float = 30.0  # from the moment a request is due to the end of its answer
    ca_file: Path | None = None  # None: the system's authorities
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse targets elsewhere and rates that make no sense."""
        if not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError(f"{self.address} is not on this machine: only 127.0.0.0/8 and ::1")
        if self.protocol not in ("h1", "h1s", "h2"):
            raise ValueError(f"unknown protocol {self.protocol!r}: h1, h1s or h2")
        if not (self.rate > 0 and self.timeout > 0 and self.connections >= 0):
            raise ValueError("rate and timeout must be above 0, connections not below")

    @property
    def most_connections(self) -> int:
        """The number of connections open at once, at most."""
        return self.connections or (4 if self.protocol == "h2" else 512)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        default = 80 if self.protocol == "h1" else 443
        return self.host if self.port == default else f"{self.host}:{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS settings, None for plain HTTP. Raise OSError for a bad CA file."""
        if self.protocol == "h1":
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["h2" if self.protocol == "h2" else "http/1.1"])
        return context


@dataclass(frozen=True, slots=True)
class Template:
    """A request, and what must come back."""

    method: str
    path: str
    body: bytes
    digest: str  # of the body, as the answer must repeat it; "" when it need not
    wire: bytes  # the whole request as HTTP/1.1
    headers: tuple[tuple[str, str], ...]  # the head as HTTP/2
    delay: float = 0.0  # seconds the answer was asked to take


class Requests:
    """An endless, reproducible sequence of requests; all are built beforehand."""

    def __init__(self, plan: Plan) -> None:
        """Build every request the sequence draws from."""
        self._random = random.Random(plan.seed)  # noqa: S311
        self._plan = plan
        mix = plan.mix
        self._weights = [mix.get, mix.get + mix.sleep]
        self._get = self._template("GET", mix.path)
        self._sleeps = [
            replace(self._template("GET", f"/sleep?s={delay:.2f}"), delay=delay)
            for delay in (1 + step / (SLEEP_KINDS - 1) for step in range(SLEEP_KINDS))
        ]
        self._echoes = [
            self._template("POST", "/echo", self._random.randbytes(size))
            for size in (self._random.randint(MIN_BODY, MAX_BODY) for _ in range(BODY_KINDS))
        ]

    def draw(self) -> Template:
        """Return the next request."""
        point = self._random.random()
        if point < self._weights[0]:
            return self._get
        return self._random.choice(self._sleeps if point < self._weights[1] else self._echoes)

    def _template(self, method: str, path: str, body: bytes = b"") -> Template:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._plan.authority}\r\n{length}\r\n"
        digest = hashlib.sha256(body).hexdigest() if body else ""
        headers = [(":method", method), (":scheme", "https"), (":path", path)]
        headers += [(":authority", self._plan.authority)]
        headers += [("content-length", str(len(body)))] if body else []
        return Template(method, path, body, digest, head.encode() + body, tuple(headers))
