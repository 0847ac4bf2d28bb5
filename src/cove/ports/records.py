"""What is recorded: apps, releases, claims, addresses, rollouts, grants.

Imported as `cove.ports` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from cove.model import certificates as tls
from cove.model.app import App
from cove.model.events import Event, EventKind, Outcome, Rollout, RolloutKind
from cove.model.release import Image, Release
from cove.model.statuspage import StatusPage


class AppRecord(Struct, frozen=True, kw_only=True):
    """What is recorded of an app beside its releases."""

    name: str
    source: str
    subnet: str
    stopped: bool
    created_at: float
    live: int  # the confirmed release; 0: none yet


class Grant(Struct, frozen=True, kw_only=True):
    """A power over the host that the server's owner has given an app."""

    app: str
    power: str  # `privileged`, `host-bind=/srv/data`, …
    by: str
    at: float  # seconds since the epoch


class Step(Struct, frozen=True):
    """The journal's word on one operation of a rollout."""

    index: int
    state: Literal["started", "done", "undone"]


class Journal(Struct, frozen=True, kw_only=True):
    """An interrupted rollout, as recovery finds it."""

    rollout: Rollout
    plan: bytes  # as the planner encoded it; empty: none was made
    steps: tuple[Step, ...]


class Store(Protocol):
    """What must be right: apps, releases, claims, addresses, rollouts. Every write is durable."""

    def app(self, name: str) -> AppRecord | None: ...
    def apps(self) -> tuple[AppRecord, ...]: ...
    def release(self, app: str, number: int) -> Release | None: ...
    def releases(self, app: str) -> tuple[Release, ...]:
        """Newest first."""

    def reserve_networks(
        self, app: str, names: Iterable[str], taken: Iterable[str]
    ) -> dict[str, str]:
        """Gives each further network of an app an address range; the default one's is there."""

    def keep_networks(self, app: str, names: Iterable[str]) -> None:
        """Frees the address range of every further network of the app but these."""

    def claimed_by_others(self, app: str, claims: Iterable[str]) -> dict[str, str]:
        """The claims that another app holds, with its name."""

    def claims_beside(self, app: str, domains: Iterable[str]) -> dict[str, str]:
        """Every claim of other apps on these domains, with the app's name."""

    def grants(self, app: str) -> tuple[Grant, ...]:
        """The app's powers over the host, in the order of their names; it need not exist yet."""

    def grant(self, app: str, power: str, by: str) -> None:
        """Gives a power; one that was given is kept as it was."""

    def revoke(self, app: str, power: str) -> bool:
        """Takes a power away; whether there was one."""

    def open_rollout(self, app: str, kind: RolloutKind, by: str) -> Rollout:
        """Takes the app's lock. Raises Locked, naming the holder."""

    def reserve_subnet(self, app: str, source: str, taken: Iterable[str]) -> AppRecord:
        """Records the app and gives it an address range that overlaps none of `taken`."""

    def create_release(
        self,
        rollout: Rollout,
        *,
        spec: App,
        images: Mapping[str, Image],
        why: str,
        source: str,
        hold: bool,
    ) -> tuple[Release, dict[str, str]]:
        """Numbers a pending release, claims its routes and gives its replicas addresses.

        With `hold`, the second value names one more address per routed service.
        Raises Refused (`route-taken`, `addresses-exhausted`).
        """

    def save_plan(self, rollout: Rollout, plan: bytes) -> None: ...
    def save_step(self, rollout: Rollout, step: Step) -> None: ...
    def steps(self, rollout_id: int) -> tuple[Step, ...]:
        """The last state of each journalled operation, in the plan's order."""

    def confirm(self, app: str, release: int) -> None:
        """In one transaction: the release is live, its predecessor superseded, claims its own."""

    def fail_release(self, app: str, release: int, error: str) -> None:
        """Marks a pending release failed and drops its claims."""

    def free_addresses(self, app: str, addresses: Iterable[str]) -> None: ...
    def keep_addresses(self, app: str, addresses: Iterable[str]) -> None:
        """Frees every address of the app but these."""

    def set_stopped(self, app: str, *, stopped: bool) -> None: ...
    def set_source(self, app: str, source: str) -> None: ...
    def forget_app(self, app: str) -> None:
        """Deletes the app, its releases, claims and addresses; its rollouts stay as history."""

    def close_rollout(self, rollout: Rollout, outcome: Outcome) -> Rollout: ...
    def rollout(self, rollout_id: int) -> Rollout | None: ...
    def rollouts(self, app: str = "", limit: int = 20) -> tuple[Rollout, ...]: ...
    def interrupted(self) -> tuple[Journal, ...]:
        """Rollouts that were under way when the last agent ended, oldest first."""

    def acme_settings(self) -> tls.AcmeSettings:
        """The public authority; the default where none was set."""

    def set_acme_settings(self, settings: tls.AcmeSettings) -> None:
        """Stores them, what is secret of them encrypted."""

    def cert_progress(self) -> tuple[tls.CertProgress, ...]: ...
    def save_cert_progress(self, progress: tls.CertProgress) -> None: ...
    def forget_cert_progress(self, domain: str) -> None: ...

    def status_pages(self) -> tuple[StatusPage, ...]:
        """By domain; one that cannot be read is left out."""

    def check_no_page(self, claims: Iterable[str]) -> None:
        """Raises Refused (`route-taken`) where a status page has the domain of a claim."""

    def put_status_page(self, page: StatusPage) -> None:
        """Keeps a page. Raises Refused (`route-taken`) where an app has its domain."""

    def remove_status_page(self, domain: str) -> bool:
        """Whether there was one."""

    def add_event(
        self, rollout_id: int, kind: EventKind, index: int, text: str, data: dict[str, Any]
    ) -> Event: ...
    def events(self, rollout_id: int, after: int = 0) -> tuple[Event, ...]: ...
