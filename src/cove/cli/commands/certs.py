"""`cove certs`: certificates, and cove's own authority."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.commands.certs_settings import acme, dns, renew
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.cli.text import took
from cove.errors import PlatformError

_COLOURS = {"expired": "red", "waiting": "red", "missing": "red"}


@click.group(invoke_without_command=True)
@shared
@click.pass_context
def command(context: click.Context, settings: Settings) -> None:
    """List the certificates, and say what keeps one from coming.

    Public names have theirs from Let's Encrypt, or from who `acme` says. Names under .localhost,
    .test and .internal have one of cove's own authority: `ca` prints it, `trust` accepts it.
    """
    if context.invoked_subcommand is None:
        _list(settings)


@command.command()
@shared
def trust(settings: Settings) -> None:
    """Make this machine trust cove's own authority (needs root)."""
    from cove.adapters.localca.trust import install_trust

    out, client = Output(settings), Client(settings)
    pem = _authority(client)["pem"]
    path = install_trust(pem, str(client.get("/v1/version")["instance"]))
    if out.json_wanted:
        out.json({"trusted": True, "path": str(path)})
        return
    out.line(f"this machine now trusts cove's authority ({path})")
    out.note("browsers may keep their own list: there, import what `cove certs ca` prints")


@command.command()
@shared
def untrust(settings: Settings) -> None:
    """Take the trust in cove's own authority back from this machine (needs root)."""
    from cove.adapters.localca.trust import remove_trust

    out, client = Output(settings), Client(settings)
    removed = remove_trust(str(client.get("/v1/version")["instance"]))
    if out.json_wanted:
        out.json({"trusted": False, "removed": removed})
        return
    out.line(
        "this machine no longer trusts cove's authority"
        if removed
        else "this machine did not trust cove's authority"
    )


@command.command()
@shared
def ca(settings: Settings) -> None:
    """Print the certificate of cove's own authority, in PEM form."""
    out, authority = Output(settings), _authority(Client(settings))
    if out.json_wanted:
        out.json({"ca": authority})
    else:
        out.line(str(authority["pem"]).rstrip("\n"))


def _authority(client: Client) -> dict[str, Any]:
    authority = client.get("/v1/certs").get("ca") or {}
    if not authority.get("pem"):
        raise PlatformError(
            "cove has no authority of its own yet",
            code="no-authority",
            hint="it makes one with the first .localhost, .test or .internal domain",
        )
    return dict(authority)


def _list(settings: Settings) -> None:
    out = Output(settings)
    answer = Client(settings).get("/v1/certs")
    if out.json_wanted:
        out.json(answer)
        return
    certificates, authority = answer.get("certs", []), answer.get("ca") or {}
    if certificates:
        headers = ("DOMAIN", "APP", "STATE", "ISSUER", "LEFT")
        out.table(headers, [_row(out, certificate) for certificate in certificates])
    else:
        out.line("no certificates yet")
    for certificate in certificates:
        _explain(out, certificate)
    if authority.get("pem") and not authority.get("trusted"):
        out.note(f"this machine does not trust cove's authority: {settings.command('certs trust')}")


def _row(out: Output, certificate: dict[str, Any]) -> list[tuple[str, str]]:
    state = str(certificate.get("state", ""))
    days = int((float(certificate.get("not_after") or 0) - time.time()) // 86400)
    late = state in {"expiring", "renewal-failed"}
    return [
        (certificate["domain"], "bold"),
        (str(certificate.get("app") or "-"), ""),
        (out.foreign(state), "" if state == "valid" else _COLOURS.get(state, "yellow")),
        (out.foreign(str(certificate.get("issuer") or "-")), ""),
        (f"{days} days" if certificate.get("not_after") else "-", "yellow" if late else ""),
    ]


def _explain(out: Output, certificate: dict[str, Any]) -> None:
    """Why a certificate is not there, when it is tried again, and what would help."""
    if not certificate.get("error"):
        return
    wait = float(certificate.get("next_try") or 0) - time.time()
    again = f" (next try in {took(wait)})" if wait > 0 else ""
    out.line()
    out.line(out.foreign(f"{certificate['domain']}: {certificate['error']}{again}"))
    if certificate.get("hint"):
        out.line(out.foreign(f"{out.out.symbol('hint')} {certificate['hint']}"))


for _one in (acme, dns, renew):
    command.add_command(_one)
