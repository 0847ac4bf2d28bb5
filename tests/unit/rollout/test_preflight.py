"""What is refused before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cove.errors import EXIT_FAILED, EXIT_KEPT_OLD, Refused
from cove.model.events import Rollout
from cove.model.requests import DeployRequest

from support.scenarios import family, problems
from support.site import APP, Site, request
from support.virtual_time import run

MEGABYTE = 1 << 20


def second(here: Site, text: str = "") -> Any:
    """The error of a second deploy; None where it is live."""
    ended = run(here.deploy(text, image="acme/shop:2"))
    assert problems(here) == []
    return None if ended.outcome == "live" else here.error(ended)


def test_a_full_disk(here):
    """A rollout that would fill the disk is refused; the old release serves on."""
    run(here.deploy())
    here.world.free_disk = 100 * MEGABYTE
    error = second(here)
    assert error["code"] == "disk-full"
    assert error["message"].startswith("only 100 MB are free on the disk of /docker")
    assert here.world.answers(APP) == {"r1"}


def test_an_unknown_disk(here):
    """A place that cannot be looked at is no reason to refuse."""
    here.world.free_disk = -1
    assert run(here.deploy()).outcome == "live"


def test_no_memory_for_a_second_copy(here):
    """Two copies must fit; the way without is named."""
    run(here.deploy())
    here.world.used_memory, here.world.free_memory = 200 * MEGABYTE, 220 * MEGABYTE
    error = second(here)
    assert error["code"] == "memory"
    assert "uses 200 MB and only 220 MB are available" in error["message"]
    assert "stop-first" in error["hint"]


def test_one_copy_at_a_time_needs_no_room(here):
    """Stop-first frees the memory first."""
    run(here.deploy())
    here.world.used_memory, here.world.free_memory = 200 * MEGABYTE, 1
    assert second(here, "rollout: {order: stop-first, settle: 0s}\n") is None


def test_a_gap_for_a_companion_needs_no_room(here):
    """An app that must stop for its database's upgrade never runs twice either."""
    run(here.deploy(family()))
    here.world.used_memory, here.world.free_memory = 200 * MEGABYTE, 1
    assert second(here, family())["code"] == "memory"
    assert second(here, family(2)) is None


def test_a_first_deploy_is_not_guessed_at(here):
    """Nothing is known of what it will use."""
    here.world.free_memory = 1
    assert run(here.deploy()).outcome == "live"


def test_a_taken_host_port(here):
    """Who holds it is named, and another port proposed."""
    run(here.deploy())
    here.world.port_holders[25] = "exim4 (pid 812)"
    error = second(here, 'ports: ["25:2525"]\n')
    assert error["code"] == "port-taken"
    assert error["message"] == "port 25 of this machine is taken by exim4 (pid 812)"
    assert '"26:2525"' in error["hint"]


def test_its_own_host_port(here):
    """The release that serves holds it, and gives it up first."""
    run(here.deploy('ports: ["25:2525"]\n'))
    here.world.port_holders[25] = "docker-proxy"
    assert second(here, 'ports: ["25:2525"]\n') is None


def test_another_protocol(here):
    """Only TCP ports can be looked up."""
    here.world.port_holders[53] = "dnsmasq"
    assert run(here.deploy('ports: ["53:53/udp"]\n')).outcome == "live"


BIND = 'volumes: ["/srv/data:/data:ro"]\n'


def test_a_power_that_was_taken_away(here: Site):
    """A rollback brings back nothing that the app may not do any more."""
    here.store.grant(APP, "host-bind=/srv", "root")
    assert run(here.deploy(BIND)).outcome == "live"
    assert run(here.deploy(image="acme/shop:2")).outcome == "live"
    here.store.revoke(APP, "host-bind=/srv")

    async def back() -> Rollout:
        rollout = here.rollouts.rollback(APP, None, "ann")
        return await here.finished(rollout)

    ended = run(back())
    error = here.error(ended)
    assert (ended.outcome, error["code"]) == ("kept", "power-missing")
    assert error["hint"].endswith(f"cove allow {APP} host-bind=/srv/data:ro")
    assert here.world.answers(APP) == {"r2"}
    assert problems(here) == []


def test_a_path_is_where_its_links_lead(here):
    """A symbolic link in a granted folder gives no power over what lies elsewhere."""
    here.store.grant(APP, "host-bind=/srv", "root")
    here.world.links["/srv/data"] = "/etc"
    ended = run(here.deploy(BIND))
    assert here.error(ended)["message"] == f"{APP} has not been given host-bind=/etc:ro"
    here.world.links["/srv/data"] = "/run"
    ended = run(here.deploy(BIND))
    assert "docker-socket" in here.error(ended)["message"]


def test_powers_outlive_an_app_and_its_removal_says_so(here: Site):
    """They were given to a name; whoever takes the name next would have them unawares."""
    here.store.grant(APP, "host-bind=/srv", "root")
    assert run(here.deploy()).outcome == "live"

    async def gone() -> Rollout:
        rollout = here.rollouts.remove(APP, "ann", volumes=True)
        return await here.finished(rollout)

    ended = run(gone())
    (plan,) = [event for event in here.events(ended) if event.kind == "plan"]
    (note,) = plan.data["notes"]
    assert note.startswith("whatever is called shop next has its powers")
    assert note.endswith("cove allow shop --revoke host-bind=/srv")


PORT_25 = 'ports: ["25:2525"]\n'


@pytest.mark.parametrize(
    ("spoil", "text", "code"),
    [
        (lambda world: setattr(world, "free_disk", MEGABYTE), "", "disk-full"),
        (lambda world: setattr(world, "free_memory", MEGABYTE), "", "memory"),
        (lambda world: world.port_holders.update({25: "exim"}), PORT_25, "port-taken"),
        (lambda world: None, "routes: [{domain: taken.test}]\n", "route-taken"),
        (lambda world: world.images.clear(), "pull_policy: never\n", "image-missing"),
    ],
    ids=["disk", "memory", "port", "route", "image"],
)
def test_a_plan_is_refused_as_its_deploy_would_be(here, spoil, text, code):
    """What deploy says a moment later, plan says now; neither changes anything."""
    run(here.deploy())
    other = "name: other\nimage: acme/shop:1\ndomain: taken.test\nrollout: {settle: 0s}\n"
    run(here.finished_deploy(DeployRequest(text=other)))
    asked = request(text, "acme/shop:2")
    if "routes" in text:
        asked = replace(asked, text=asked.text.replace("domain: shop.test\n", ""))
    spoil(here.world)
    before = (here.store.rollouts(), here.store.releases(APP), list(here.world.moments))
    with pytest.raises(Refused) as planned:
        run(here.rollouts.plan(asked))
    assert (here.store.rollouts(), here.store.releases(APP), here.world.moments) == before
    assert planned.value.specific_code == code
    assert planned.value.exit_code == EXIT_KEPT_OLD
    try:
        deployed = here.error(run(here.finished_deploy(asked)))
    except Refused as error:
        deployed = error.as_dict()
    assert deployed["message"] == planned.value.message


def test_a_plan_of_a_first_deploy_that_is_refused(here):
    """Nothing serves that could have been kept, which the exit code says."""
    here.world.free_disk = MEGABYTE
    with pytest.raises(Refused) as caught:
        run(here.rollouts.plan(request()))
    assert caught.value.exit_code == EXIT_FAILED


def test_a_plan_says_what_is_under_way(here):
    """While another rollout holds the app a deploy would be refused."""

    async def both() -> tuple[str, ...]:
        first = here.rollouts.deploy(request())
        notes = (await here.rollouts.plan(request())).notes
        await here.finished(first)
        return tuple(notes)

    assert any("a deploy is under way" in note for note in run(both()))


def test_a_plan_names_the_variables_it_was_given(here):
    """Their names alone."""
    plan = run(here.rollouts.plan(request("env: {A: $B}\n", variables={"B": "s3cret", "C": ""})))
    assert plan.variables == ("B", "C")
    assert "s3cret" not in str(plan)
