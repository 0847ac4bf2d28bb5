"""The settings of the public authority, and the attempts at each name.

Imported within the package only.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from cove.adapters.sqlite.cipher import Cipher
from cove.adapters.sqlite.connection import Records
from cove.errors import PlatformError
from cove.model.certificates import AcmeSettings, CertProgress

_ACME = "acme"


class _Secrets(Struct, frozen=True):
    eab_hmac: str = ""
    dns: str = ""


class CertificateRecords(Records):
    """The store's part about public certificates."""

    _cipher: Cipher

    def acme_settings(self) -> AcmeSettings:
        """The public authority; the default where none was set."""
        row = self._db.row("SELECT value, secret FROM settings WHERE name = ?", _ACME)
        if row is None:
            return AcmeSettings()
        try:
            settings = msgspec.json.decode(row["value"], type=AcmeSettings)
            if row["secret"] is None:
                return settings
            secrets = msgspec.json.decode(self._cipher.open(row["secret"]), type=_Secrets)
        except msgspec.MsgspecError as error:
            raise PlatformError(
                "the settings of the certificate authority cannot be read",
                code="state",
                hint="set them again: cove certs acme --reset",
            ) from error
        return _filled(settings, secrets)

    def set_acme_settings(self, settings: AcmeSettings) -> None:
        """Stores them, what is secret of them encrypted."""
        dns = settings.dns
        secrets = _Secrets(settings.eab_hmac, dns.secret if dns else "")
        plain = _filled(settings, _Secrets())
        sealed = self._cipher.seal(msgspec.json.encode(secrets)) if secrets != _Secrets() else None
        with self._db.write() as db:
            db.execute(
                "INSERT INTO settings (name, value, secret) VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value,"
                " secret = excluded.secret",
                (_ACME, msgspec.json.encode(plain).decode(), sealed),
            )

    def cert_progress(self) -> tuple[CertProgress, ...]:
        """What is remembered of the attempts at each name."""
        rows = self._db.rows("SELECT * FROM cert_progress ORDER BY domain")
        return tuple(msgspec.convert(dict(row), CertProgress) for row in rows)

    def save_cert_progress(self, progress: CertProgress) -> None:
        """Replaces what was remembered of the name."""
        values = asdict(progress)
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._db.write() as db:
            db.execute(
                f"INSERT OR REPLACE INTO cert_progress ({names}) VALUES ({marks})",  # noqa: S608 - the struct's own field names
                tuple(values.values()),
            )

    def forget_cert_progress(self, domain: str) -> None:
        """Nothing was ever tried; an unknown name is fine."""
        with self._db.write() as db:
            db.execute("DELETE FROM cert_progress WHERE domain = ?", (domain,))


def _filled(settings: AcmeSettings, secrets: _Secrets) -> AcmeSettings:
    dns = replace(settings.dns, secret=secrets.dns) if settings.dns else None
    return replace(settings, eab_hmac=secrets.eab_hmac, dns=dns)
