"""What is shown of every name and every certificate. Pure. Imported inside `cove.certification`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cove.certification.wanted import Wanted
from cove.model.certificates import CertFacts, CertProgress, CertSource, Served

Known = Mapping[CertSource, Mapping[str, CertFacts]]


def served(
    wanted: Iterable[Wanted],
    known: Known,
    progress: Mapping[str, CertProgress],
    ordering: Callable[[str], bool],
) -> list[Served]:
    """Every wanted name, whatever has become of it, and what lies there unused; by name."""
    found = {
        one.domain: Served(
            domain=one.domain,
            apps=one.apps,
            source=one.source,
            facts=known[one.source].get(one.domain),
            progress=progress.get(one.domain),
            busy=ordering(one.domain),
        )
        for one in wanted
    }
    unused = [
        Served(domain=facts.domain, apps=(), source=source, facts=facts)
        for source, certificates in known.items()
        for facts in certificates.values()
        if facts.domain not in found
    ]
    return sorted([*found.values(), *unused], key=lambda one: one.domain)


def by_domain(listed: Iterable[CertFacts]) -> dict[str, CertFacts]:
    """Certificates by the name they were obtained for."""
    return {facts.domain: facts for facts in listed}


def excuse(domain: str, progress: CertProgress | None) -> str:
    """Why a rollout ends without a name's certificate."""
    reason = progress.error if progress and progress.error else "the authority is still at it"
    pending = progress is not None and progress.obstacle == "pending"
    what = f"{domain} does not reach this server yet" if pending else domain
    return f"no certificate yet: {what}: {reason}; cove keeps trying, see: cove certs"
