"""What real TLS clients make of the local authority and its certificates."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from cryptography import x509 as crypto
from cryptography.hazmat.primitives import hashes, serialization

from cove.adapters.localca import LocalAuthority, files, x509
from cove.errors import PlatformError

DOMAINS = ("hello.localhost", "localhost", "a.b.test", "db.internal")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """One answer for all."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Silence."""


@contextmanager
def https(certificate: Path, key: Path) -> Iterator[int]:
    """A TLS server on a free port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def curl(url: str, *arguments: str) -> int:
    """curl's exit code; 60 is a certificate it does not believe."""
    program = shutil.which("curl")
    assert program, "these tests need curl"
    host, _, port = url.removeprefix("https://").partition(":")
    resolve = ("--resolve", f"{host}:{port}:127.0.0.1", "--noproxy", "*")
    return subprocess.run(
        (program, "-sS", "-o", "/dev/null", *resolve, *arguments, url),
        check=False,
        capture_output=True,
        timeout=30,
    ).returncode


def openssl_verify(root: Path, leaf: Path, *checks: str) -> subprocess.CompletedProcess[str]:
    """OpenSSL's own judgement of a server certificate."""
    program = shutil.which("openssl")
    assert program, "these tests need openssl"
    argv = (program, "verify", "-purpose", "sslserver", "-x509_strict", *checks)
    return subprocess.run(
        (*argv, "-CAfile", str(root), str(leaf)), check=False, capture_output=True, text=True
    )


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    """An authority that has issued its certificates through its child."""
    authority = LocalAuthority(tmp_path / "ca", tmp_path / "certs")
    asyncio.run(authority.ensure(DOMAINS))
    return authority


def stolen(authority: LocalAuthority, name: crypto.GeneralName, path: Path) -> Path:
    """A certificate for any name, as someone with the root's key could sign one."""
    key = serialization.load_pem_private_key(
        authority.root_path.with_suffix(".key").read_bytes(), None
    )
    assert isinstance(key, x509.Key)
    root = x509.load_root(key, authority.root_path.read_bytes())
    assert root
    plain = crypto.load_pem_x509_certificate(x509.leaf("x.test", key, root, time.time()))
    builder = crypto.CertificateBuilder(
        plain.issuer,
        crypto.Name([]),
        plain.public_key(),
        plain.serial_number,
        plain.not_valid_before_utc,
        plain.not_valid_after_utc,
    )
    for extension in plain.extensions:
        if not isinstance(extension.value, crypto.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(crypto.SubjectAlternativeName([name]), critical=True)
    leaf = builder.sign(key, hashes.SHA256())
    path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + root.pem)
    return path


@pytest.mark.parametrize("domain", DOMAINS)
def test_openssl_accepts_every_kind_of_local_name(authority, domain):
    """For a server of that name, by the strict reading of the standard."""
    certificate, _ = authority.paths(domain)
    done = openssl_verify(authority.root_path, certificate, "-verify_hostname", domain)
    assert done.returncode == 0, done.stderr


def test_curl_trusts_the_root_and_nothing_without_it(authority):
    """With the root the name is believed; without it, or under another name, it is not."""
    with https(*authority.paths("hello.localhost")) as port:
        url = f"https://hello.localhost:{port}"
        root = ("--cacert", str(authority.root_path))
        assert curl(url, *root) == 0
        assert curl(url) == 60
        assert curl(f"https://other.localhost:{port}", *root) == 60


def test_python_trusts_the_root(authority):
    """A client without a list of its own verifies chain and name."""
    context = ssl.create_default_context(cafile=str(authority.root_path))
    with (
        https(*authority.paths("a.b.test")) as port,
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="a.b.test") as connection,
    ):
        assert connection.version() == "TLSv1.3"


@pytest.mark.parametrize(
    "name",
    [
        crypto.DNSName("example.com"),
        crypto.DNSName("localhost.example.com"),
        crypto.DNSName("mytest"),
        crypto.IPAddress(ipaddress.ip_address("192.0.2.1")),
        crypto.IPAddress(ipaddress.ip_address("2001:db8::1")),
    ],
    ids=str,
)
def test_a_stolen_root_impersonates_nobody(authority, tmp_path, name):
    """Whatever is signed with its key, a client refuses names that are not local."""
    leaf = stolen(authority, name, tmp_path / "stolen.crt")
    done = openssl_verify(authority.root_path, leaf)
    assert done.returncode != 0
    assert "subtree violation" in done.stdout + done.stderr


def test_a_stolen_root_would_sign_for_local_names(authority, tmp_path):
    """The control: the same construction with a permitted name passes."""
    leaf = stolen(authority, crypto.DNSName("shop.test"), tmp_path / "stolen.crt")
    done = openssl_verify(authority.root_path, leaf)
    assert done.returncode == 0, done.stderr


async def test_the_default_certificate_is_believed_by_nobody(authority):
    """A client that asks for an unknown name is warned."""
    with https(*await authority.ensure_default()) as port:
        assert curl(f"https://unknown.test:{port}", "--cacert", str(authority.root_path)) == 60


def test_one_child_issues_what_is_missing_and_no_more(authority):
    """Every domain asked for, each key its owner's alone; asking again changes nothing."""
    certificate, key = authority.paths("localhost")
    before = certificate.read_bytes()
    asyncio.run(authority.ensure((*DOMAINS, "late.test")))
    listed = {facts.domain for facts in authority.listing()}
    assert listed == {*DOMAINS, "late.test"}
    assert certificate.read_bytes() == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_children_at_the_same_time_do_not_disturb_each_other(tmp_path):
    """Two processes that both find no root end with one, and with intact certificates."""
    both = [LocalAuthority(tmp_path / "ca", tmp_path / "certs") for _ in range(2)]
    domains = [f"{letter}.test" for letter in "abcdef"]
    await asyncio.gather(*(authority.ensure(domains) for authority in both))
    assert [facts.domain for facts in both[0].listing()] == domains
    assert both[0].due() == ()


async def test_what_the_child_cannot_do_is_an_error_with_the_reason(tmp_path):
    """A file where the folder should be."""
    (tmp_path / "certs").write_text("")
    with pytest.raises(PlatformError, match="certs") as caught:
        await LocalAuthority(tmp_path / "ca", tmp_path / "certs").ensure(["hello.localhost"])
    assert caught.value.specific_code == "local-ca"


def test_the_agents_side_never_loads_the_cryptography_library():
    """It would cost the agent some 11 MB for good."""
    program = "import sys, cove.adapters.localca; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_nonsense_request_is_answered_with_an_error():
    """The child never ends without an answer its parent can read."""
    command = [sys.executable, "-m", "cove.adapters.localca.issue"]
    done = subprocess.run(command, input=b"{}", capture_output=True, check=False)
    assert done.returncode == 1
    assert msgspec.json.decode(done.stdout, type=files.Answer).error
