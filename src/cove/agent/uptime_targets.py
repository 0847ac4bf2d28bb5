"""Which routes there are to look at, from the record. Imported inside `cove.agent` only."""

from __future__ import annotations

from msgspec.structs import replace

from cove.adapters.sqlite import SqliteStore
from cove.certification.certifier import Certification
from cove.model.uptime import Target
from cove.observation.uptime.targets import targets_of
from cove.render.traefik import ProxySettings
from cove.rollout.rollouts import Rollouts
from cove.rollout.urls import route_url


class UptimeTargets:
    """Asked every few seconds: a release is read once, when it becomes live."""

    def __init__(
        self, store: SqliteStore, rollouts: Rollouts, certification: Certification
    ) -> None:
        self._store = store
        self._rollouts = rollouts
        self._certification = certification
        self._known: dict[str, tuple[int, ProxySettings, tuple[Target, ...]]] = {}

    def __call__(self) -> list[Target]:
        """Every route of every app. Raises PlatformError."""
        found: list[Target] = []
        records = self._store.apps()
        for record in records:
            if not record.live:
                continue
            rolling = self._rollouts.active(record.name) is not None
            stopped = "stopped" if record.stopped else ""
            for target in self._of(record.name, record.live):
                paused = stopped or self._uncertified(target)
                found.append(replace(target, paused=paused, rolling=rolling))
        names = {record.name for record in records}
        self._known = {app: known for app, known in self._known.items() if app in names}
        return found

    def _of(self, app: str, live: int) -> tuple[Target, ...]:
        settings = self._rollouts.proxy
        known = self._known.get(app)
        if known is None or known[:2] != (live, settings):
            release = self._store.release(app, live)
            urls = (
                {route.key: route_url(route, settings) for route in release.spec.routes}
                if release
                else {}
            )
            targets = targets_of(release, urls) if release else ()
            known = self._known[app] = (live, settings, targets)
        return known[2]

    def _uncertified(self, target: Target) -> str:
        """A public name that never had its certificate is not in service yet."""
        missing = target.encrypted and target.domain in self._certification.uncertified()
        return "no certificate yet" if missing else ""
