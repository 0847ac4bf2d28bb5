"""What an app may not do any more is not started again; what runs goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cove.model.events import Rollout
from cove.model.requests import DeployRequest

from support.scenarios import BEFORE, problems
from support.site import APP, Site
from support.virtual_time import run

BIND = 'volumes: ["/srv/data:/data"]\n'
GRANT = "host-bind=/srv/data"
Ask = Callable[[Site], Rollout]


def served(here: Site, text: str = BIND) -> None:
    """The app runs with a power that is then taken from it."""
    here.store.grant(APP, GRANT, "root")
    assert run(here.deploy(text)).outcome == "live"


def asked(here: Site, ask: Ask) -> Rollout:
    """What a person asks for, to its end."""

    async def done() -> Rollout:
        return await here.finished(ask(here))

    return run(done())


def stop(here: Site) -> Rollout:
    """Asks for a stop."""
    return here.rollouts.stop(APP, "ann")


def start(here: Site) -> Rollout:
    """Asks for a start."""
    return here.rollouts.start(APP, "ann")


def restart(here: Site) -> Rollout:
    """Asks for a restart."""
    return here.rollouts.restart(APP, "ann")


def test_a_stopped_app_does_not_start(here: Site) -> None:
    """As a deploy: refused, with the command that would give the power again, which then does."""
    served(here)
    asked(here, stop)
    here.store.revoke(APP, GRANT)
    ended = asked(here, start)
    error = here.error(ended)
    assert (ended.outcome, error["code"]) == ("failed", "power-missing")
    assert error["hint"].endswith(f"cove allow {APP} {GRANT}")
    assert here.world.answers(APP) == {"none"}
    assert {box.state for box in here.world.of(APP)} == {"exited"}
    here.store.grant(APP, GRANT, "root")
    assert asked(here, start).outcome == "live"
    assert problems(here) == []


@pytest.mark.parametrize("ask", [start, restart])
def test_what_runs_goes_on_running(here: Site, ask: Ask) -> None:
    """The refusal touches nothing."""
    served(here)
    here.store.revoke(APP, GRANT)
    ended = asked(here, ask)
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "power-missing")
    assert here.world.answers(APP) == {"r1"}
    assert problems(here) == []


def test_a_power_that_is_taken_in_the_middle(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was allowed when a rollout began is asked again before each start."""
    run(here.deploy())
    here.store.grant(APP, GRANT, "root")
    write = here.rollouts.platform.composer.write

    async def meanwhile(*given: object, **named: object) -> None:
        here.store.revoke(APP, GRANT)
        await write(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(here.rollouts.platform.composer, "write", meanwhile)
    ended = run(here.deploy(BIND, image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "power-missing")
    assert here.world.answers(APP) == {"r1"}
    assert problems(here) == []


def test_a_before_command_is_a_start_too(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a power that was taken since the deploy began, it does not run."""
    here.store.grant(APP, GRANT, "root")
    write = here.rollouts.platform.composer.write

    async def meanwhile(*given: object, **named: object) -> None:
        here.store.revoke(APP, GRANT)
        await write(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(here.rollouts.platform.composer, "write", meanwhile)
    ended = run(here.deploy(BEFORE + BIND))
    assert (ended.outcome, here.error(ended)["code"]) == ("failed", "power-missing")
    assert here.world.ran == []
    assert problems(here) == []


@pytest.mark.parametrize("loss", ["gone", "stopped"])
def test_a_new_agent_does_not_bring_back_what_may_not_be(here: Site, loss: str) -> None:
    """Neither made anew nor started; why is remembered, and a power given again mends it."""
    served(here)
    (box,) = here.world.of(APP)
    (here.world.remove if loss == "gone" else here.world.stop)(box)
    here.store.revoke(APP, GRANT)
    here.restart()
    run(here.recover())
    assert [b.state for b in here.world.of(APP)] == ([] if loss == "gone" else ["exited"])
    assert here.rollouts.troubles[APP].specific_code == "power-missing"
    here.store.grant(APP, GRANT, "root")
    run(here.recover())
    assert here.rollouts.troubles == {}
    assert here.world.answers(APP) == {"r1"}


def test_a_new_agent_leaves_what_runs(here: Site) -> None:
    """An agent that starts is no reason to end an app."""
    served(here)
    here.store.revoke(APP, GRANT)
    here.restart()
    run(here.recover())
    assert here.rollouts.troubles == {}
    assert here.world.answers(APP) == {"r1"}


def test_the_rest_of_an_app_keeps_its_routes(here: Site) -> None:
    """A container that is not brought back takes nothing from the others."""
    served(here, BIND + "replicas: 2\n")
    here.world.remove(here.world.of(APP)[0])
    here.store.revoke(APP, GRANT)
    here.world.routes.clear()
    here.restart()
    run(here.recover())
    assert here.rollouts.troubles[APP].specific_code == "power-missing"
    assert "r1" in here.world.answers(APP)


def test_a_container_that_is_cut_off_is_not_ended_for_nothing(here: Site) -> None:
    """What could not be made anew is left as it is."""
    served(here)
    here.store.revoke(APP, GRANT)
    here.world.of(APP)[0].networks.clear()
    run(here.recover())
    assert [b.state for b in here.world.of(APP)] == ["running"]
    assert here.rollouts.troubles[APP].specific_code == "power-missing"


def test_an_undone_rollout_goes_back_to_what_ran(here: Site) -> None:
    """A new release that fails ends with what served before, whatever it may now."""
    served(here)
    here.store.revoke(APP, GRANT)
    here.world.image("acme/shop:2", 2, ready_after=60)
    stops = "rollout: {order: stop-first, settle: 0s, drain: 5s, timeout: 5s}\n"
    ended = run(here.deploy(stops, image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "not-ready")
    assert here.world.answers(APP) == {"r1"}
    assert problems(here) == []


# --- paths in each other

OUTER = 'volumes: ["/srv/data:/data"]\n'


def blog(source: str, *, mode: str = "", more: str = "") -> DeployRequest:
    """A deploy of another app that mounts a path."""
    return DeployRequest(
        text=f'name: blog\nimage: acme/shop:2\ndomain: blog.test\nvolumes: ["{source}:/x{mode}"]\n'
        f"rollout: {{settle: 0s, drain: 5s, timeout: 5s}}\n{more}",
        origin="desk:/blog.yml",
    )


def of_blog(here: Site, request: DeployRequest) -> Rollout:
    """The other app's deploy, to its end."""
    return asked(here, lambda site: site.rollouts.deploy(request))


def test_a_path_in_what_the_release_before_may_write(here: Site) -> None:
    """While both run, the old one could put a link in the new one's way; stopped, it cannot."""
    here.store.grant(APP, GRANT, "root")
    assert run(here.deploy(OUTER)).outcome == "live"
    below = 'volumes: ["/srv/data/shop:/data:ro"]\n'
    ended = run(here.deploy(below, image="acme/shop:2"))
    error = here.error(ended)
    assert (ended.outcome, error["code"]) == ("kept", "path-nested")
    assert error["hint"] == f"cove stop {APP}, then deploy"
    assert here.world.answers(APP) == {"r1"}
    asked(here, stop)
    assert run(here.deploy(below, image="acme/shop:2")).outcome == "live"
    assert problems(here) == []


def test_a_folder_around_what_the_release_before_mounts(here: Site) -> None:
    """A link that the new one leaves would lead the old one away if that is brought back."""
    here.store.grant(APP, GRANT, "root")
    assert run(here.deploy('volumes: ["/srv/data/shop:/data:ro"]\n')).outcome == "live"
    ended = run(here.deploy(OUTER, image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "path-nested")
    assert here.world.answers(APP) == {"r1"}


def test_two_names_of_one_folder(here: Site) -> None:
    """A path below another by its second name is refused all the same."""
    here.world.links["/var/run"] = "/run"
    for power in ("host-bind=/run/a", "host-bind=/var/run/a"):
        here.store.grant(APP, power, "root")
    ended = run(here.deploy('volumes: ["/run/a:/a", "/var/run/a/b:/b:ro"]\n'))
    error = here.error(ended)
    assert error["code"] == "path-nested"
    assert error["message"].startswith("/var/run/a/b lies in /run/a, which shop itself may write")
    assert here.world.of(APP) == []


def test_a_path_in_what_another_app_may_write(here: Site) -> None:
    """Whichever of the two comes second is refused, and told of the first."""
    here.store.grant(APP, GRANT, "root")
    here.store.grant("blog", "host-bind=/srv/data/blog", "root")
    assert run(here.deploy(OUTER)).outcome == "live"
    ended = of_blog(here, blog("/srv/data/blog", mode=":ro"))
    error = here.error(ended)
    assert error["code"] == "path-nested"
    assert error["message"].startswith("/srv/data/blog lies in /srv/data, which the app shop may")
    assert here.world.of("blog") == []


def test_a_folder_around_what_another_app_mounts(here: Site) -> None:
    """The same the other way round; read-only, it may be."""
    here.store.grant(APP, GRANT, "root")
    here.store.grant("blog", "host-bind=/srv/data/blog", "root")
    assert of_blog(here, blog("/srv/data/blog")).outcome == "live"
    error = here.error(run(here.deploy(OUTER)))
    assert error["code"] == "path-nested"
    assert "/srv/data/blog of the app blog lies in /srv/data, which shop itself" in error["message"]
    assert run(here.deploy('volumes: ["/srv/data:/data:ro"]\n')).outcome == "live"


def test_one_folder_for_two_apps(here: Site) -> None:
    """Neither can put anything in its place."""
    here.store.grant(APP, GRANT, "root")
    here.store.grant("blog", GRANT, "root")
    assert run(here.deploy(OUTER)).outcome == "live"
    assert of_blog(here, blog("/srv/data")).outcome == "live"


def test_a_link_that_another_app_planted_is_not_followed(here: Site) -> None:
    """Not even when the folder has become read-only since: a grant leads where its owner saw it."""
    here.store.grant(APP, GRANT, "root")
    here.store.grant("blog", "host-bind=/srv/data/blog", "root")
    assert run(here.deploy(OUTER)).outcome == "live"
    here.world.links["/srv/data/blog"] = "/etc"
    error = here.error(of_blog(here, blog("/srv/data/blog")))
    assert (error["code"], error["message"]) == (
        "power-missing",
        "blog has not been given host-bind=/etc",
    )


def test_an_app_that_is_as_good_as_root_needs_no_link(here: Site) -> None:
    """It keeps no other app from its paths."""
    for power in ("host-bind=/", "docker-socket"):
        here.store.grant(APP, power, "root")
    here.store.grant("blog", GRANT, "root")
    assert run(here.deploy('volumes: ["/:/host"]\n')).outcome == "live"
    assert of_blog(here, blog("/srv/data")).outcome == "live"


def test_a_rollback_into_what_another_app_may_write(here: Site) -> None:
    """An older release is asked what a new one would be."""
    here.store.grant(APP, "host-bind=/srv/data/shop", "root")
    here.store.grant("blog", GRANT, "root")
    assert run(here.deploy('volumes: ["/srv/data/shop:/x"]\n')).outcome == "live"
    assert run(here.deploy(image="acme/shop:2")).outcome == "live"
    assert of_blog(here, blog("/srv/data")).outcome == "live"
    ended = asked(here, lambda site: site.rollouts.rollback(APP, None, "ann"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "path-nested")
    assert here.world.answers(APP) == {"r2"}
