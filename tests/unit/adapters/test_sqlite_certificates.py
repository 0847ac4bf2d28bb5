from __future__ import annotations

from pathlib import Path

from cove.model.certificates import AcmeSettings, CertProgress, DnsSettings

from support.store import opened

SETTINGS = AcmeSettings(
    directory="https://ca.example/dir",
    email="owner@example.com",
    challenge="tls",
    eab_kid="me",
    eab_hmac="hmac-secret",
    gate=False,
    dns=DnsSettings(provider="digitalocean", secret="dns-secret"),
)


def test_settings_come_back_whole_and_their_secrets_are_sealed(tmp_path: Path):
    """Across connections; no file holds a secret as it is."""
    with opened(tmp_path / "state.db") as store:
        assert store.acme_settings() == AcmeSettings()
        store.set_acme_settings(SETTINGS)
    with opened(tmp_path / "state.db") as store:
        assert store.acme_settings() == SETTINGS
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hmac-secret" not in found
    assert b"dns-secret" not in found
    assert b"ca.example" in found


def test_without_secrets_nothing_is_sealed():
    """So that no key is made, or loaded, where none is needed."""
    with opened() as store:
        store.set_acme_settings(AcmeSettings(email="owner@example.com"))
        row = store._db.row("SELECT secret FROM settings")
        assert row
        assert row["secret"] is None
        assert store.acme_settings().email == "owner@example.com"


def test_progress_is_replaced_and_forgotten():
    """One record a name."""
    first = CertProgress(domain="a.example.com", obstacle="waiting", failures=1, error="no")
    second = CertProgress(domain="a.example.com", obstacle="waiting", failures=2, next_try=9.5)
    other = CertProgress(domain="b.example.com", obstacle="pending")
    with opened() as store:
        for one in (first, second, other):
            store.save_cert_progress(one)
        assert store.cert_progress() == (second, other)
        store.forget_cert_progress("a.example.com")
        store.forget_cert_progress("nobody.example.com")
        assert store.cert_progress() == (other,)
