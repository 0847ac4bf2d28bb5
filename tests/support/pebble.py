"""A real certificate authority on loopback: Debian's Pebble, for as long as a test.

It validates at the ports of the agent under test and resolves names at its own DNS server,
which tests tell what to answer.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import ssl
import subprocess
import urllib.request
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.agent import Agent
from support.places import free_port
from support.polling import until

LIFETIME = 90 * 86400
EAB_KID, EAB_HMAC = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


class Pebble:
    """An authority with its names server, both in one folder; `lifetime` in seconds.

    `slow`: it takes up to ten seconds to validate a name.
    """

    def __init__(
        self,
        folder: Path,
        http_port: int,
        tls_port: int,
        *,
        lifetime: int = LIFETIME,
        account: bool = False,
        blocked: tuple[str, ...] = (),
        slow: bool = False,
    ) -> None:
        self.folder = folder
        self._ports = (http_port, tls_port)
        self._lifetime = lifetime
        self._account = account
        self._blocked = blocked
        self._slow = slow
        self._acme, self._management = free_port(), free_port()
        self._dns, self._names = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def directory(self) -> str:
        """Where the protocol begins."""
        return f"https://127.0.0.1:{self._acme}/dir"

    @property
    def dns_server(self) -> str:
        """Who knows the tests' names."""
        return f"127.0.0.1:{self._dns}"

    @property
    def root_file(self) -> Path:
        """What the directory itself is believed with."""
        return self.folder / "listener-ca.pem"

    @property
    def issuing_root(self) -> Path:
        """What clients believe its certificates with, fetched from it."""
        path = self.folder / "issuing-root.pem"
        path.write_bytes(self._managed("/roots/0"))
        return path

    def start(self) -> Self:
        """Start both and wait until they answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _make_listener_certificate(self.folder)
        config = self.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": self._config()}))
        self._run(
            [
                *("pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
                *("-http01", "", "-https01", "", "-tlsalpn01", "", "-dns01", self.dns_server),
                *("-management", f"127.0.0.1:{self._names}"),
            ]
        )
        self._run(
            ["pebble", "-config", str(config), "-strict=false", "-dnsserver", self.dns_server],
            PEBBLE_AUTHZREUSE="0",
            **({"PEBBLE_VA_SLEEPTIME": "10"} if self._slow else {"PEBBLE_VA_NOSLEEP": "1"}),
        )
        until(self._answers, "Pebble answers")
        return self

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes = []

    def settings(self, **more: Any) -> dict[str, Any]:
        """What an agent must be told to use it."""
        return {
            "reset": True,
            "directory": self.directory,
            "roots": self.root_file.read_text(),
            "http_port": self._ports[0],
            "tls_port": self._ports[1],
            "dns_server": self.dns_server,
        } | more

    def point(self, domain: str, *addresses: str) -> None:
        """What the DNS says of a name; without addresses the default, this machine."""
        self._name("clear-a", host=f"{domain}.")
        if addresses:
            self._name("add-a", host=f"{domain}.", addresses=list(addresses))

    def set_txt(self, name: str, text: str) -> None:
        """Tell a TXT record."""
        self._name("set-txt", host=f"{name}.", value=text)

    def clear_txt(self, name: str) -> None:
        """Forget a TXT record."""
        self._name("clear-txt", host=f"{name}.")

    @property
    def log(self) -> str:
        """What it wrote."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def orders(self) -> int:
        """How many orders it was asked for, whatever became of them."""
        return self.log.count("POST /order-plz ")

    def validated(self, domain: str) -> int:
        """How often it was asked to validate a name."""
        return self.log.count(f'Value:"{domain}"')

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "listenAddress": f"127.0.0.1:{self._acme}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.folder / "listener.pem"),
            "privateKey": str(self.folder / "listener.key"),
            "httpPort": self._ports[0],
            "tlsPort": self._ports[1],
            "ocspResponderURL": "",
            "externalAccountBindingRequired": self._account,
            "certificateValidityPeriod": self._lifetime,
            "domainBlocklist": list(self._blocked),
        }
        if self._account:
            config["externalAccountMACKeys"] = {EAB_KID: EAB_HMAC}
        return config

    def _run(self, argv: list[str], **env: str) -> None:
        program = shutil.which(argv[0])
        assert program, "Debian's pebble is missing: script/setup --test"
        name = "log" if argv[0] == "pebble" else "names.log"
        with (self.folder / name).open("ab") as log:
            process = subprocess.Popen(
                [program, *argv[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
        self._processes.append(process)

    def _answers(self) -> bool:
        for process in self._processes:
            assert process.poll() is None, self.log
        with suppress(OSError):
            self._managed("/roots/0")
            self._name("clear-a", host="nobody.example.")
            return True
        return False

    def _managed(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=self.root_file)
        url = f"https://127.0.0.1:{self._management}{path}"
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return bytes(answer.read())

    def _name(self, verb: str, **body: object) -> None:
        url = f"http://127.0.0.1:{self._names}/{verb}"
        data = json.dumps(body).encode()
        urllib.request.urlopen(url, data, timeout=5).close()


def use(agent: Agent, pebble: Pebble, **more: Any) -> None:
    """Let an agent obtain its public certificates from it."""
    agent.api("POST", "/v1/certs/acme", pebble.settings(**more))


def _make_listener_certificate(folder: Path) -> None:
    """A throw-away authority and Pebble's own server certificate."""
    now = dt.datetime.now(dt.UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test listener CA")])
    day = dt.timedelta(days=1)

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
        )

    ca = (
        begun(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    )
    leaf = (
        begun(x509.Name([]), key.public_key())
        .add_extension(names, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "listener-ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "listener.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "listener.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
