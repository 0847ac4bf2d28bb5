from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from cove.adapters.certfiles import ProxyCertificateFiles
from cove.adapters.certfiles.answers import Answer, Question
from cove.adapters.certfiles.inspecting import look
from cove.model.certificates import Pair

from support.pems import NOW, Maker, key_pem, pem

SHOP = "shop.example.com"


@pytest.fixture(scope="module")
def maker() -> Maker:
    """An authority with an issuer below it."""
    return Maker()


@pytest.fixture
def files(tmp_path: Path) -> ProxyCertificateFiles:
    """An empty folder."""
    return ProxyCertificateFiles(tmp_path / "certs")


def looked(chain: str, key: str, *names: str) -> Answer:
    """What is found of a certificate of one's own."""
    question = Question(domain=SHOP, chain=chain, key=key, names=names or (SHOP,))
    return look(question, NOW.timestamp())


def pair(maker: Maker, domain: str = SHOP) -> Pair:
    """An intact pair for a domain."""
    found = looked(*maker.leaf(domain, own=True), domain).pair
    assert found
    return replace(found, facts=replace(found.facts, domain=domain))


def test_a_saved_pair_is_found_again_and_others_cannot_read_it(files, maker, tmp_path):
    """With its facts; the folder keeps one pair per domain and source."""
    saved = pair(maker)
    files.save("acme", saved)
    assert files.facts("acme", SHOP) == saved.facts
    assert files.listing("acme") == (saved.facts,)
    assert files.facts("own", SHOP) is None
    stem = files.stem("acme", saved.facts)
    assert (tmp_path / "certs" / f"{stem}.crt").read_text() == saved.chain
    made = [path for path in (tmp_path / "certs").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}


def test_a_renewal_never_shares_a_file_with_what_it_replaces(files, maker, tmp_path):
    """Whoever reads while it is written finds the old pair whole; later it is cleared away."""
    old, new = pair(maker), pair(maker)
    files.save("acme", old)
    files.save("acme", new)
    assert files.facts("acme", SHOP) == new.facts
    assert (tmp_path / "certs" / f"{files.stem('acme', old.facts)}.key").read_text() == old.key
    assert files.tidy("acme", {SHOP}) == ()
    kept = sorted(path.name for path in (tmp_path / "certs/acme").iterdir())
    stem = Path(files.stem("acme", new.facts)).name
    assert kept == sorted([f"{SHOP}.json", f"{stem}.crt", f"{stem}.key"])


def test_what_is_not_wanted_is_deleted(files, maker, tmp_path):
    """Other domains' files, and those only."""
    files.save("acme", pair(maker))
    files.save("acme", pair(maker, "*.shop.example.com"))
    assert files.tidy("acme", {"*.shop.example.com"}) == (SHOP,)
    assert [one.domain for one in files.listing("acme")] == ["*.shop.example.com"]
    assert files.tidy("acme", set()) == ("*.shop.example.com",)
    assert list((tmp_path / "certs/acme").iterdir()) == []


@pytest.mark.parametrize("suffix", [".crt", ".key"])
@pytest.mark.parametrize("content", [None, b"", b"rubbish", b"\xff"])
def test_a_spoilt_pair_does_not_count(files, maker, tmp_path, suffix, content):
    """A file that is gone, empty or not what it was."""
    saved = pair(maker)
    files.save("own", saved)
    path = tmp_path / "certs" / (files.stem("own", saved.facts) + suffix)
    path.unlink() if content is None else path.write_bytes(content)
    assert files.facts("own", SHOP) is None
    assert files.listing("own") == ()


def test_another_key_does_not_count(files, maker, tmp_path):
    """OpenSSL itself says whether the two belong together."""
    saved, other = pair(maker), pair(maker)
    files.save("acme", replace(saved, key=other.key))
    assert files.facts("acme", SHOP) is None


def test_the_chain_is_put_in_order_without_its_root(maker):
    """Whatever the order in the file; clients have the root themselves."""
    leaf, key = maker.leaf(SHOP)
    text = pem(maker.root) + pem(maker.issuer) + "words between\n" + leaf
    found = looked(text, key)
    assert found.pair
    assert found.pair.chain == leaf + pem(maker.issuer)
    assert found.remarks == ()
    assert found.pair.facts.names == (SHOP,)


def test_what_cannot_serve_is_refused_with_its_reason(maker):
    """Each says what is wrong with it."""
    leaf, key = maker.leaf(SHOP)
    locked = key_pem(ec.generate_private_key(ec.SECP256R1()), "secret")
    cases = {
        "is not a certificate": looked("rubbish", key),
        "has a key that is not": looked(leaf, "rubbish"),
        "has a key with a password": looked(leaf, locked),
        "does not belong to the key": looked(leaf, maker.leaf(SHOP)[1]),
        "expired on 2025-12-31": looked(*maker.leaf(SHOP, days=-1, begun=-9)),
        "is not valid before 2026-01-03": looked(*maker.leaf(SHOP, begun=2)),
    }
    for words, found in cases.items():
        assert found.pair is None
        assert words in found.error
    assert "the wrong way round" in looked(key, leaf).hint


def test_what_is_odd_is_remarked(maker):
    """A name that is not covered, an end that is near, a chain that lacks its issuer."""
    leaf, key = maker.leaf("other.example.com", "*.wild.example.com", days=5)
    remarks = "\n".join(looked(leaf, key, SHOP, "a.wild.example.com").remarks)
    assert f"given for {SHOP} covers other.example.com" in remarks
    assert "a.wild.example.com covers" not in remarks
    assert "ends on 2026-01-06" in remarks
    assert "comes without its issuer" in remarks
    assert looked(*maker.leaf(SHOP, own=True)).remarks == ()


async def test_the_child_answers_as_the_function_does(files, maker):
    """What the agent asks crosses two pipes."""
    leaf, key = maker.leaf(SHOP, days=20_000, own=True)
    found, remarks = await files.inspect(SHOP, leaf, key, [SHOP])
    assert (found.chain, remarks) == (leaf, ())
