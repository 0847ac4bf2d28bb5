"""The child that speaks RFC 8555 with an authority: one order, then it ends.

Run as `python -m cove.adapters.acme.child`; only tests import it. It alone loads the protocol's
library and alone reads what an authority answers. Lines in and out: `lines`.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import requests
from acme import challenges, client, errors, messages
from acme.crypto_util import make_csr
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from cove.adapters.acme import failures
from cove.adapters.acme.dns import DnsRecord, published
from cove.adapters.acme.lines import Account, Ended, Present, Registered, Request, Said
from cove.adapters.acme.tls_alpn import TLSALPN01, challenge_certificate
from cove.adapters.acme.x509 import facts_of, new_key, private_pem
from cove.model.certificates import Challenge, Order, Outcome, Pair

_NONCES: Final = 4
_MEMORY: Final = 512 << 20  # bytes of address space; an order takes some 200 MB of it
_TIMEOUT: Final = 30  # seconds for one request
_PATIENCE: Final = timedelta(seconds=120)  # for validation, and again for issuance


def main() -> int:
    """Carries out one request; every failure is an outcome."""
    # An answer without end must not take the server's memory.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    try:
        outcome = _Conversation(request).carry_out()
    except failures.CAUGHT as error:
        outcome = failures.outcome(error, request.order)
    _say(Ended(outcome))
    return 0 if outcome.pair else 1


def _say(line: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


class _Network(client.ClientNetwork):
    """Asks again for as long as the authority only wants a fresher nonce (RFC 8555, 6.5)."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """The answer. Raises as the library does."""
        for _ in range(_NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class _Conversation:
    """One order at one authority."""

    def __init__(self, request: Request) -> None:
        self.order: Order = request.order
        self.settings = request.order.settings
        self.known = request.account
        self.jwk = JWK.json_loads(request.account.key) if request.account else _new_account_key()
        self.net = _Network(self.jwk, alg=ES256, user_agent=request.agent, timeout=_TIMEOUT)

    def carry_out(self) -> Outcome:
        """The whole order. Raises `failures.CAUGHT`."""
        with _roots(self.settings.roots) as bundle:
            if bundle:
                self.net.verify_ssl = bundle  # type: ignore[assignment]  # requests takes a path
            directory = client.ClientV2.get_directory(self.settings.directory, self.net)
            acme = client.ClientV2(directory, self.net)
            self._register(acme)
            return Outcome(pair=self._pair(acme))

    def _register(self, acme: client.ClientV2) -> None:
        if self.known and self.known.uri:
            self.net.account = messages.RegistrationResource(
                uri=self.known.uri, body=messages.Registration()
            )
            return
        binding = None
        if self.settings.eab_kid:
            binding = messages.ExternalAccountBinding.from_data(
                account_public_key=self.jwk.public_key(),
                kid=self.settings.eab_kid,
                hmac_key=self.settings.eab_hmac,
                directory=acme.directory,
            )
        wanted = messages.NewRegistration.from_data(
            email=self.settings.email or None,
            terms_of_service_agreed=True,
            external_account_binding=binding,
        )
        try:
            account = acme.new_account(wanted)
        except errors.ConflictError as known:
            account = messages.RegistrationResource(
                uri=known.location, body=messages.Registration()
            )
            self.net.account = account
        _say(Registered(Account(key=self.jwk.json_dumps(), uri=str(account.uri))))

    def _pair(self, acme: client.ClientV2) -> Pair:
        domain = self.order.domain
        key = private_pem(new_key())
        order = acme.new_order(make_csr(key.encode(), domains=[domain]))
        with self._answered(acme, order):
            order = acme.poll_authorizations(order, datetime.now() + _PATIENCE)  # noqa: DTZ005 - as the library compares
        order = acme.finalize_order(order, datetime.now() + _PATIENCE)  # noqa: DTZ005
        return Pair(chain=order.fullchain_pem, key=key, facts=facts_of(domain, order.fullchain_pem))

    @contextmanager
    def _answered(self, acme: client.ClientV2, order: messages.OrderResource) -> Iterator[None]:
        """Inside the block every challenge of the order is answered publicly."""
        records: list[DnsRecord] = []
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_PENDING:
                body = self._chosen(authorization)
                if isinstance(body.chall, challenges.DNS01):
                    records.append(self._record(body.chall))
        with published(records, self.settings):
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_PENDING:
                    body = self._chosen(authorization)
                    if not isinstance(body.chall, challenges.DNS01):
                        self._present(body.chall)
                    acme.answer_challenge(body, body.chall.response(self.jwk))
            yield

    def _chosen(self, authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
        wildcard = self.order.domain.startswith("*.")
        by_kind = {"http": challenges.HTTP01, "tls": TLSALPN01}
        kind = challenges.DNS01 if wildcard else by_kind[self.settings.challenge]
        for body in authorization.body.challenges:
            if isinstance(body.chall, kind):
                return body
        offered = ", ".join(sorted(body.chall.typ for body in authorization.body.challenges))
        raise failures.NotOffered(kind.typ, offered)

    def _record(self, chall: challenges.DNS01) -> DnsRecord:
        bare = self.order.domain.removeprefix("*.")
        return DnsRecord(chall.validation_domain_name(bare), chall.validation(self.jwk))

    def _present(self, chall: challenges.KeyAuthorizationChallenge) -> None:
        authorization = chall.key_authorization(self.jwk)
        if isinstance(chall, TLSALPN01):
            chain, key = challenge_certificate(self.order.domain, authorization)
            challenge = Challenge(kind="tls", domain=self.order.domain, chain=chain, key=key)
        else:
            token = chall.encode("token")
            challenge = Challenge(
                kind="http", domain=self.order.domain, token=token, content=authorization
            )
        _say(Present(challenge))
        if not sys.stdin.buffer.readline():
            raise failures.AgentGone


def _new_account_key() -> JWKEC:
    return JWKEC(key=ec.generate_private_key(ec.SECP256R1()))


@contextmanager
def _roots(pem: str) -> Iterator[str]:
    """The authorities a directory is believed with, as a file; empty: the usual ones."""
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    if not pem:
        yield str(system) if system.exists() else ""
        return
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem.encode())
        file.flush()
        yield file.name


if __name__ == "__main__":
    sys.exit(main())
