"""`cove certs acme`, `dns` and `renew`: where public certificates come from.

Imported by `cove.cli.commands.certs` only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.errors import InvalidFile

_LARGEST = 1 << 20  # bytes of a file with a key or a certificate
_ACME_HELP = """Show or choose the authority that public certificates come from.

Without any choice it is Let's Encrypt, asked over HTTP (port 80).

\b
  cove certs acme
  cove certs acme --email owner@example.com
  cove certs acme --directory https://acme.zerossl.com/v2/DV90 \\
      --eab-kid KID --eab-hmac-file key.txt
"""
_DNS_HELP = """Choose who writes the DNS records that wildcards need.

PROVIDER is digitalocean, rfc2136 (BIND, Knot, PowerDNS and others, with a TSIG key), or none.
The token or key is read from a file, or from stdin with -.

\b
  cove certs dns digitalocean --secret-file token.txt
  cove certs dns rfc2136 --server ns.example.com:53 --key-name acme. --secret-file tsig.txt
"""


@click.command(help=_ACME_HELP)
@click.option("--directory", metavar="URL", help="Where the authority's protocol begins.")
@click.option("--email", metavar="ADDRESS", help="Where it may write to; empty: nowhere.")
@click.option(
    "--challenge",
    type=click.Choice(["http", "tls"]),
    help="How a name is proven: over port 80 (HTTP-01) or port 443 (TLS-ALPN-01).",
)
@click.option("--eab-kid", metavar="KID", help="The account it knows you by.")
@click.option("--eab-hmac-file", metavar="FILE", help="That account's key; - for stdin.")
@click.option("--root", metavar="FILE", help="A private authority's own root, in PEM form.")
@click.option(
    "--gate/--no-gate", default=None, help="Ask only for names that lead to this server.  [gate]"
)
@click.option("--http-port", type=click.IntRange(1, 65535), help="Where it validates.  [80]")
@click.option("--tls-port", type=click.IntRange(1, 65535), help="Where it validates.  [443]")
@click.option("--dns-server", metavar="ADDRESS", help="Who knows the names.  [the system's]")
@click.option("--reset", is_flag=True, help="Begin with the usual settings.")
@shared
def acme(settings: Settings, eab_hmac_file: str | None, root: str | None, **given: Any) -> None:
    """Shows the settings, changed first where anything was given."""
    out, client = Output(settings), Client(settings)
    change = {key: value for key, value in given.items() if value not in (None, False)}
    if given["gate"] is False:
        change["gate"] = False
    if eab_hmac_file:
        change["eab_hmac"] = _read(eab_hmac_file)
    if root:
        change["roots"] = _read(root)
    found = (
        client.post("/v1/certs/acme", change)["acme"]
        if change
        else client.get("/v1/certs/acme")["acme"]
    )
    _show(out, found)


@click.command(help=_DNS_HELP)
@click.argument("provider", type=click.Choice(["digitalocean", "rfc2136", "none"]))
@click.option("--secret-file", metavar="FILE", help="The token, or the TSIG key; - for stdin.")
@click.option("--server", metavar="HOST:PORT", default="", help="rfc2136: who takes updates.")
@click.option("--key-name", metavar="NAME", default="", help="rfc2136: the TSIG key's name.")
@click.option("--algorithm", metavar="NAME", default="hmac-sha256", show_default=True)
@shared
def dns(settings: Settings, provider: str, secret_file: str | None, **given: Any) -> None:
    """Stores the provider; its secret is kept encrypted."""
    out, client = Output(settings), Client(settings)
    change: dict[str, Any] = {}
    if provider != "none":
        if not secret_file:
            raise InvalidFile(
                "--secret-file is missing", code="usage", hint="cove certs dns --help"
            )
        change = {"provider": provider, "secret": _read(secret_file), **given}
    _show(out, client.post("/v1/certs/dns", change)["acme"])


@click.command()
@click.argument("domain")
@shared
def renew(settings: Settings, domain: str) -> None:
    """Try to obtain a public DOMAIN's certificate now."""
    out = Output(settings)
    answer = Client(settings).post("/v1/certs/renew", {"domain": domain})
    if out.json_wanted:
        out.json(answer)
    else:
        out.line(f"{domain} is tried now; see: {settings.command('certs')}")


def _show(out: Output, found: dict[str, Any]) -> None:
    if out.json_wanted:
        out.json({"acme": found})
        return
    rows = [
        ("directory", found["directory"]),
        ("e-mail", found["email"] or "-"),
        ("challenge", found["challenge"]),
        ("external account", found["eab_kid"] or "-"),
        ("root of its own", "yes" if found["own_roots"] else "-"),
        ("gate", "on" if found["gate"] else "off"),
        ("validation ports", f"{found['http_port']}, {found['tls_port']}"),
        ("DNS server", found["dns_server"] or "the system's"),
        ("wildcards by", found["dns_provider"] or "-"),
    ]
    out.table(("SETTING", "VALUE"), [[(k, "bold"), (out.foreign(v), "")] for k, v in rows])


def _read(name: str) -> str:
    """A file's text without white space around it; never the terminal's echo or argv."""
    try:
        if name == "-":
            return sys.stdin.read(_LARGEST).strip()
        with Path(name).open(encoding="utf-8") as file:
            return file.read(_LARGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InvalidFile(f"{name}: cannot be read: {reason}", code="no-file") from None
