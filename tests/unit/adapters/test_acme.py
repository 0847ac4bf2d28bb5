"""What is told of failures, and the parts of the child that need no authority."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from acme import client, errors, messages
from cryptography import x509

from cove.adapters.acme import child, failures, issuer
from cove.adapters.acme.lines import Account
from cove.adapters.acme.tls_alpn import challenge_certificate
from cove.model.certificates import AcmeSettings, Order

ORDER = Order(domain="shop.example.com", settings=AcmeSettings())


def problem(code: str, **given: Any) -> messages.Error:
    """What an authority says no with."""
    kind = f"urn:ietf:params:acme:error:{code}"
    found: messages.Error = messages.Error.from_json({"type": kind, **given})
    return found


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (problem("caa", detail="CAA forbids it"), "the authority refused: CAA forbids it", "CAA"),
        (problem("connection", detail="timeout"), "timeout", "port 80"),
        (problem("externalAccountRequired", detail="who?"), "who?", "--eab-kid"),
        (problem("unheard", detail="no\x1b[31m\nno"), "refused: no [31m no", ""),
        (errors.TimeoutError(), "did not decide in time", ""),
        (errors.IssuanceError(problem("dns", detail="SERVFAIL")), "SERVFAIL", "DNS records"),
        (failures.NotOffered("http-01", "dns-01"), "offers no http-01", "--challenge"),
        (failures.DnsFailed("refused"), "refused", "cove certs dns"),
        (requests.exceptions.SSLError("x"), "not trusted", "--root"),
        (requests.ConnectionError("x"), "cannot be reached", "way to the internet"),
        (KeyError("newAccount"), "answered unexpectedly", ""),
    ],
)
def test_every_failure_is_told_with_what_to_do(error, words, hint):
    """In one line without control characters."""
    found = failures.outcome(error, ORDER)
    assert found.pair is None
    assert words in found.error
    assert hint in found.hint
    assert found.error.isprintable()


def test_an_authority_that_wants_to_be_left_alone_is():
    """Its rate limits end later than any of our own waits would."""
    assert failures.outcome(problem("rateLimited", detail="too many"), ORDER).retry_after == 3600


def test_a_stale_nonce_is_no_failure(monkeypatch):
    """The authority may want a fresher one several times over (RFC 8555, 6.5)."""
    tries: list[int] = []

    answer = requests.Response()

    def post(self: object, *args: object, **kwargs: object) -> requests.Response:
        tries.append(1)
        if len(tries) < 4:
            raise problem("badNonce")
        return answer

    monkeypatch.setattr(client.ClientNetwork, "post", post)
    assert child._Network(None).post("url") is answer
    tries.clear()
    monkeypatch.setattr(client.ClientNetwork, "post", _refusing)
    with pytest.raises(messages.Error):
        child._Network(None).post("url")


def _refusing(*_: object, **__: object) -> None:
    raise problem("malformed")


def test_the_certificate_of_a_tls_challenge_is_as_rfc_8737_has_it():
    """One name, and the digest in a critical extension."""
    chain, key = challenge_certificate("shop.example.com", "token.print")
    made = x509.load_pem_x509_certificate(chain.encode())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.com"]
    extension = made.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert extension.critical
    digest = hashlib.sha256(b"token.print").digest()
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    assert extension.value.value == b"\x04\x20" + digest
    assert "PRIVATE KEY" in key


def test_accounts_are_kept_apart_for_root_alone(tmp_path: Path):
    """One per authority and external identity; a spoilt one is as none."""
    here = issuer.AcmeIssuer(tmp_path / "acme")
    usual, other = AcmeSettings(), AcmeSettings(eab_kid="me")
    assert here._account(usual) is None
    account = Account(key=json.dumps({"kty": "EC"}), uri="https://ca.example/1")
    here._keep(usual, account)
    assert here._account(usual) == account
    assert here._account(other) is None
    (kept,) = (tmp_path / "acme").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_text("rubbish")
    assert here._account(usual) is None
