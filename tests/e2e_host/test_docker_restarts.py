"""A server whose Docker restarts, dies or boots: what runs goes on or comes back, exactly once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.cove_host import CoveHost, Resident, ResidentFamily
from support.polling import until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1800)]
_log = logging.getLogger(__name__)

RESTARTS = {
    "restart": ("systemctl", "restart", "docker"),
    "kill -9": ("sh", "-c", "kill -9 $(cat /run/docker.pid)"),
}
# An operation of each kind before which, while which and after which traffic has moved.
MOMENTS = [
    ("web", "start release"),
    ("web", "drain release"),
    ("web", "remove the containers"),
    ("notes", "stop release"),
    ("notes", "let the held requests"),
]


@dataclass
class Scene:
    """The server with its two apps: one replaced beside its predecessor, one with a volume."""

    host: CoveHost
    web: Resident
    notes: Resident
    counted: str

    @property
    def apps(self) -> tuple[Resident, Resident]:
        """Both."""
        return self.web, self.notes

    def named(self, name: str) -> Resident:
        """One of them."""
        return {app.name: app for app in self.apps}[name]

    def recovered(self) -> None:
        """Waits until both are as recorded; from then on no request fails, and deploys work."""
        for app in self.apps:
            app.recovered()
        assert [problem for app in self.apps for problem in self.host.well_served(app.name)] == []
        for app in self.apps:
            app.deploy()
        assert [problem for app in self.apps for problem in app.problems()] == []
        assert self.notes.count() == self.counted


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """A fresh server on which cove has been installed and two apps were deployed."""
    host = CoveHost()
    try:
        host.install()
        web = ResidentFamily(host, "web")
        keys = {"volumes": ["data:/data"], "env": {"DATA_DIR": "/data"}, "user": "root"}
        notes = Resident(host, "notes", **keys)
        web.deploy()
        notes.deploy()
        yield Scene(host, web, notes, notes.count(add=True))
    finally:
        host.close()


@pytest.mark.parametrize("how", RESTARTS)
def test_with_live_restore_no_request_fails(scene, how):
    """Proxy and apps go on while Docker is away, and the next deploy works."""
    scene.host.live_restore(on=True)
    try:
        with scene.host.load("web") as web, scene.host.load("notes") as notes:
            scene.host.must(*RESTARTS[how])
            until(scene.host.docker_answers, "Docker is back", 60)
            scene.recovered()
    finally:
        scene.host.live_restore(on=False)
    _log.info("live-restore, %s: web %s, notes %s", how, counts(web), counts(notes))
    assert (web["failed"], notes["failed"]) == (0, 0), (web["failures"], notes["failures"])


@pytest.mark.parametrize("how", RESTARTS)
def test_without_it_everything_comes_back(scene, how):
    """Requests fail while the containers are down, and none once they are back."""
    with scene.host.load("web") as web:
        scene.host.must(*RESTARTS[how])
        until(scene.host.docker_answers, "Docker is back", 60)
        for app in scene.apps:
            app.recovered()
    _log.info("no live-restore, %s: web %s", how, counts(web))
    scene.recovered()


@pytest.mark.parametrize(("name", "moment"), MOMENTS)
@pytest.mark.parametrize("how", RESTARTS)
def test_in_the_middle_of_a_rollout(scene, name, moment, how):
    """One release is left, whichever; nothing else is."""
    app = scene.named(name)
    rollout = app.begin()
    assert app.at(rollout, moment)
    scene.host.must(*RESTARTS[how])
    until(scene.host.docker_answers, "Docker is back", 60)
    _log.info("%s, %s, %s: %s", how, name, moment, app.ended(rollout))
    scene.recovered()


def test_what_docker_forgot_to_have_started(scene):
    """Docker cannot start the container again while that lives, so it is ended."""
    container = scene.host.forget("notes")
    scene.recovered()
    assert not scene.host.lives(container)  # the deploys have replaced it


@pytest.mark.parametrize("power_cut", [False, True], ids=["polite", "power cut"])
def test_a_reboot(scene, power_cut):
    """Both apps answer again by themselves."""
    scene.host.reboot(power_cut=power_cut)
    scene.recovered()


@pytest.mark.parametrize(("name", "moment"), [MOMENTS[0], MOMENTS[2], MOMENTS[3]])
@pytest.mark.parametrize("power_cut", [False, True], ids=["polite", "power cut"])
def test_a_reboot_in_the_middle_of_a_rollout(scene, name, moment, power_cut):
    """The agent ends what was begun before the reboot."""
    app = scene.named(name)
    rollout = app.begin()
    assert app.at(rollout, moment)
    scene.host.reboot(power_cut=power_cut)
    _log.info("reboot, %s, %s: %s", name, moment, app.ended(rollout))
    scene.recovered()


def counts(report: dict[str, int]) -> str:
    """What a load's report says in short."""
    return f"{report['sent']} sent, {report['failed']} failed"
