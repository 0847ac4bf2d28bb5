from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate

from cove.adapters.localca import LocalAuthority, files, issue, trust, x509
from cove.errors import PlatformError

NOW = 1_800_000_000.0
DAY = 86400.0


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Folders:
    """One authority's folders, and the child's work done in this process."""

    def __init__(self, base: Path) -> None:
        self.directory = base / "ca"
        self.certs = base / "certs"
        self.clock = Clock()
        self.bundle = base / "bundle.crt"
        self.authority = LocalAuthority(
            self.directory, self.certs, self.clock, bundles=(self.bundle,)
        )

    def issue(self, *domains: str, default: bool = False) -> tuple[str, ...]:
        """What the child would have issued."""
        request = files.Request(
            directory=str(self.directory),
            certs_dir=str(self.certs),
            host="box",
            domains=domains,
            default=default,
            now=self.clock.now,
        )
        return issue.fulfil(request).issued

    def bytes(self, name: str) -> bytes:
        """A file of the proxy's folder."""
        return (self.certs / name).read_bytes()


@pytest.fixture
def ca(tmp_path: Path) -> Folders:
    """An authority that has issued nothing yet."""
    return Folders(tmp_path)


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_the_owners_alone(ca):
    """The authority's folder and every key are closed to others; certificates are not secret."""
    ca.directory.mkdir(mode=0o755)
    ca.issue("hello.localhost")
    assert mode(ca.directory) == 0o700
    assert mode(ca.directory / "root.key") == 0o600
    assert mode(ca.certs / "hello.localhost.key") == 0o600
    assert mode(ca.authority.root_path) == 0o644


def test_nothing_staged_is_left_behind(ca):
    """Each file was renamed into place."""
    ca.issue("hello.localhost", default=True)
    names = {path.name for path in (*ca.certs.iterdir(), *ca.directory.iterdir())}
    assert not {name for name in names if name.startswith(".")}


def test_a_staged_file_of_a_crash_is_no_obstacle(ca):
    """What a killed child left is written over, and is nobody's certificate."""
    ca.certs.mkdir()
    (ca.certs / ".hello.localhost.key.new").write_text("half")
    assert ca.authority.due() == ()
    assert ca.issue("hello.localhost") == ("hello.localhost",)


def test_the_chain_ends_with_the_root(ca):
    """The proxy sends the leaf first, then its issuer."""
    ca.issue("hello.localhost")
    leaf, root = files.certificates(ca.bytes("hello.localhost.crt").decode())
    assert root.strip() == ca.authority.root_pem().strip()
    assert files.fingerprint(leaf) == ca.authority.listing()[0].fingerprint


def test_the_facts_are_those_of_the_certificate(ca):
    """The listing says what the certificate says."""
    ca.issue("hello.localhost")
    (facts,) = ca.authority.listing()
    certificate = load_pem_x509_certificate(ca.bytes("hello.localhost.crt"))
    assert facts.domain == "hello.localhost"
    assert facts.issuer == "cove local CA box"
    assert facts.not_after == certificate.not_valid_after_utc.timestamp() == NOW + 90 * DAY
    assert facts.not_before < NOW
    assert int(facts.serial, 16) == certificate.serial_number


def test_a_current_certificate_is_left_alone(ca):
    """Issuing again changes no byte."""
    ca.issue("hello.localhost")
    before = ca.bytes("hello.localhost.crt")
    assert ca.issue("hello.localhost") == ()
    assert ca.bytes("hello.localhost.crt") == before


def test_a_certificate_is_due_when_a_month_remains(ca):
    """Not a day sooner."""
    ca.issue("hello.localhost")
    ca.clock.now = NOW + 59 * DAY
    assert ca.authority.due() == ()
    ca.clock.now = NOW + 60 * DAY
    assert ca.authority.due() == ("hello.localhost",)


def test_a_renewal_keeps_its_key(ca):
    """Whoever reads key and certificate between two renames finds a pair that matches."""
    ca.issue("hello.localhost")
    key, certificate = ca.bytes("hello.localhost.key"), ca.bytes("hello.localhost.crt")
    ca.clock.now = NOW + 61 * DAY
    assert ca.issue("hello.localhost") == ("hello.localhost",)
    assert ca.bytes("hello.localhost.key") == key
    assert ca.bytes("hello.localhost.crt") != certificate
    assert ca.authority.due() == ()


def test_a_key_matches_its_certificate(ca):
    """The two files are a pair."""
    ca.issue("hello.localhost")
    key = serialization.load_pem_private_key(ca.bytes("hello.localhost.key"), None)
    certificate = load_pem_x509_certificate(ca.bytes("hello.localhost.crt"))
    assert key.public_key() == certificate.public_key()


@pytest.mark.parametrize("suffix", [".crt", ".key", ".json"])
@pytest.mark.parametrize("content", ["", "not a certificate\n", None])
def test_a_damaged_certificate_is_due_and_repaired(ca, suffix, content):
    """Whichever file is lost or emptied, the next call makes the set whole."""
    if suffix == ".key" and content:
        content = ""  # the agent does not read keys; the child does
    ca.issue("hello.localhost")
    path = ca.certs / f"hello.localhost{suffix}"
    path.unlink() if content is None else path.write_text(content)
    assert ca.authority.due() == ("hello.localhost",)
    assert ca.authority.listing() == ()
    assert ca.issue("hello.localhost") == ("hello.localhost",)
    assert ca.authority.due() == ()


def test_certificates_of_a_lost_root_are_due(ca):
    """A new authority signs everything anew."""
    ca.issue("a.test", "b.test")
    ca.authority.root_path.unlink()
    assert ca.authority.due() == ("a.test", "b.test")
    assert ca.issue("a.test", "b.test") == ("a.test", "b.test")
    assert ca.authority.due() == ()


def test_a_root_whose_key_is_not_its_own_is_replaced(ca):
    """A crash between the two renames of a new root mends itself."""
    ca.issue("a.test")
    old = ca.authority.root_pem()
    (ca.directory / "root.key").write_bytes(x509.key_pem(x509.new_key()))
    ca.issue("b.test")
    assert ca.authority.root_pem() != old


@pytest.mark.parametrize(
    "at", [NOW + 3600 * DAY, NOW - 30 * DAY], ids=["about to end", "not begun"]
)
def test_a_root_that_would_not_cover_a_leaf_is_replaced(ca, at):
    """No leaf outlives its root, and a root made under a wrong clock is dropped."""
    ca.issue("a.test")
    old = ca.authority.root_pem()
    ca.clock.now = at
    ca.issue("a.test")
    assert ca.authority.root_pem() != old
    assert ca.authority.due() == ()


def test_the_default_certificate_is_nobodys(ca):
    """It needs no root, names no real domain, and is listed and renewed apart."""
    assert ca.issue(default=True) == (files.DEFAULT,)
    certificate = load_pem_x509_certificate(ca.bytes("_default.crt"))
    assert certificate.subject == certificate.issuer
    assert "cove.invalid" in certificate.subject.rfc4514_string()
    assert not ca.authority.root_path.exists()
    assert (ca.authority.listing(), ca.authority.due()) == ((), ())
    assert ca.issue(default=True) == ()


def test_pruning_deletes_all_but_the_kept(ca):
    """Every file of a dropped domain goes; the default and the kept stay."""
    ca.issue("a.test", "b.test", default=True)
    assert ca.authority.prune({"b.test"}) == ("a.test",)
    assert {path.stem for path in ca.certs.iterdir()} == {"b.test", "_default"}


def test_nothing_is_known_before_the_first_certificate(ca):
    """An authority that was never asked has no folders and no answers."""
    assert ca.authority.due() == ca.authority.listing() == ca.authority.prune(set()) == ()
    assert (ca.authority.root_pem(), ca.authority.trusted()) == ("", False)


@pytest.mark.parametrize(
    "domain",
    [
        "example.com",
        "test",
        "*.test",
        "a.*.test",
        "../x.test",
        "A.test",
        "",
        "a.test\n",
        f"{'a.' * 120}test",
    ],
)
async def test_a_name_the_root_may_not_certify_is_refused(ca, domain):
    """Public names, a whole name space and what is no host name reach neither child nor disk."""
    with pytest.raises(PlatformError) as caught:
        await ca.authority.ensure(["a.test", domain])
    assert caught.value.specific_code == "local-ca-name"
    assert not ca.certs.exists()


def test_trust_is_read_from_the_machines_list(ca):
    """The root counts as trusted only while the list holds it, however it is wrapped."""
    ca.issue("a.test")
    ca.bundle.write_text("# Autorità\n" + x509.self_signed(x509.new_key(), NOW).decode())
    assert not ca.authority.trusted()
    with ca.bundle.open("a") as bundle:
        bundle.write(ca.authority.root_pem().replace("\n", "\r\n"))
    assert ca.authority.trusted()


DEBIAN = "usr/local/share/ca-certificates"
FEDORA = "etc/pki/ca-trust/source/anchors"


@pytest.mark.parametrize(
    ("folder", "command"),
    [(DEBIAN, ("update-ca-certificates",)), (FEDORA, ("update-ca-trust", "extract"))],
)
def test_trust_is_installed_and_removed_where_the_machine_keeps_it(ca, tmp_path, folder, command):
    """The file lies in the distribution's folder and its own program is run."""
    ca.issue("a.test")
    (tmp_path / folder).mkdir(parents=True)
    ran: list[Sequence[str]] = []
    target = trust.install_trust(ca.authority.root_pem(), "main", tmp_path, ran.append)
    assert target == tmp_path / folder / "cove-main.crt"
    assert target.read_text().strip() == ca.authority.root_pem().strip()
    assert trust.remove_trust("main", tmp_path, ran.append)
    assert not target.exists()
    assert not trust.remove_trust("main", tmp_path, ran.append)
    assert ran == [command, command]


def test_the_commands_for_a_person_name_both_steps(tmp_path):
    """Copy, then rebuild the list."""
    (tmp_path / DEBIAN).mkdir(parents=True)
    copy, rebuild = trust.trust_commands(Path("/ca/root.crt"), "main", tmp_path)
    assert copy == ("install", "-m", "0644", "/ca/root.crt", f"{tmp_path / DEBIAN}/cove-main.crt")
    assert rebuild == ("update-ca-certificates",)


def test_an_unknown_machine_is_told_so(tmp_path):
    """No guess is made where trust lies."""
    with pytest.raises(PlatformError, match="no known place"):
        trust.trust_commands(Path("/ca/root.crt"), "main", tmp_path)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    """The name of an instance becomes part of a path."""
    (tmp_path / DEBIAN).mkdir(parents=True)
    with pytest.raises(PlatformError, match="cannot name"):
        trust.remove_trust(name, tmp_path, lambda _: None)


def test_only_one_certificate_is_ever_trusted(ca, tmp_path):
    """A bundle in place of the root would bring in others' authorities."""
    ca.issue("a.test")
    (tmp_path / DEBIAN).mkdir(parents=True)
    for pem in ("", ca.authority.root_pem() * 2):
        with pytest.raises(PlatformError, match="exactly one"):
            trust.install_trust(pem, "main", tmp_path, lambda _: None)
