"""What cove.ports promises of Docker and Compose, held against the fake and the real ones."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cove.errors import CoveError, PlatformError
from cove.model.app import EnvValue, Mount

from support.machines import EXITS, SLOW

DATA = (Mount(kind="volume", source="data", target="/data"),)


async def test_images(machine):
    """An image is found by its names and its id; what is not here is None."""
    facts = await machine.engine.image(machine.image)
    assert facts.ports == (8000,)
    assert (await machine.engine.image(facts.id)).id == facts.id
    assert facts.architecture == (await machine.engine.info()).architecture
    assert await machine.engine.image("cove-test/there-is-none:1") is None


async def test_tags(machine):
    """A tag is one more name; taking it away leaves the image, and may be repeated."""
    facts = await machine.engine.image(machine.image)
    name = machine.naming.image_tag("shop", "web", 1)
    await machine.engine.tag(facts.id, name)
    assert (await machine.engine.image(name)).id == facts.id
    for _ in range(2):
        await machine.engine.untag(name)
        assert await machine.engine.image(name) is None
    assert (await machine.engine.image(machine.image)).id == facts.id


async def test_networks(machine):
    """An app's network is made and removed once, however often that is asked."""
    assert "default" not in await machine.engine.networks("shop")
    for _ in range(2):
        await machine.engine.ensure_network("shop", machine.subnet)
        assert "default" in await machine.engine.networks("shop")
    assert machine.subnet in await machine.engine.subnets()
    for _ in range(2):
        await machine.engine.remove_network("shop")
        assert "default" not in await machine.engine.networks("shop")


async def test_a_network_in_use(machine):
    """What containers hang on is not removed."""
    await machine.up(machine.release())
    with pytest.raises(PlatformError):
        await machine.engine.remove_network("shop")
    assert "default" in await machine.engine.networks("shop")


async def test_a_second_network(machine):
    """A running container comes into one more network and out of it, however often it is asked."""
    (facts,) = await machine.up(machine.release())
    await machine.engine.ensure_network("shop", machine.second, "_default", internal=True)
    (before,) = await machine.engine.sightings()
    assert before.networks == ("default",)
    for _ in range(2):
        await machine.engine.connect(facts.id, "shop", "_default", "web")
        (seen,) = await machine.engine.sightings()
        assert sorted(seen.networks) == ["_default", "default"]
    with pytest.raises(PlatformError, match="active endpoints"):
        await machine.engine.remove_network("shop", "_default")
    for _ in range(2):
        await machine.engine.disconnect(facts.id, "shop", "_default")
        assert await machine.engine.sightings() == (before,)
    await machine.engine.remove_network("shop", "_default")
    await machine.engine.disconnect(facts.id, "shop", "_default")


async def test_a_resting_container_changes_its_networks(machine):
    """What is stopped is put into a network and taken out of it too, and starts afterwards."""
    (facts,) = await machine.up(machine.release())
    await machine.engine.stop(facts.id, 1)
    await machine.engine.ensure_network("shop", machine.second, "_default", internal=True)
    await machine.engine.connect(facts.id, "shop", "_default")
    await machine.engine.start(facts.id)
    (seen,) = await machine.engine.sightings()
    assert sorted(seen.networks) == ["_default", "default"]
    await machine.engine.stop(facts.id, 1)
    await machine.engine.disconnect(facts.id, "shop", "_default")
    await machine.engine.remove_network("shop", "_default")
    await machine.engine.start(facts.id)
    (seen,) = await machine.engine.sightings()
    assert seen.networks == ("default",)


async def test_a_name(machine):
    """A container joins a network nameless and gets a name later; what is so already may be asked.

    It keeps the name when it is asked to join without one.
    """
    await machine.engine.ensure_network("shop", machine.second, "_default", internal=True)
    release = machine.release()
    (facts,) = await machine.up(release)
    assert machine.aliases(facts, "_default") is None
    like = release.placements[0].address
    for aliases, known in (
        ([], []),
        ([], []),
        (["web"], ["web"]),
        (["web"], ["web"]),
        ([], ["web"]),
    ):
        await machine.engine.connect(facts.id, "shop", "_default", *aliases, like=like)
        assert machine.aliases(facts, "_default") == known


async def test_a_name_before_the_start(machine):
    """What is only made can be named, and is started then."""
    await machine.engine.ensure_network("shop", machine.second, "_default", internal=True)
    release = machine.release()
    (facts,) = await machine.up(release, start=False)
    assert facts.state == "created"
    await machine.engine.connect(
        facts.id, "shop", "_default", "web", like=release.placements[0].address
    )
    (started,) = await machine.up(release)
    assert (started.id, started.state) == (facts.id, "running")
    assert machine.aliases(started, "_default") == ["web"]


async def test_a_container(machine):
    """What is brought up is listed with all that cove knows it by."""
    (facts,) = await machine.up(machine.release(7))
    assert (facts.app, facts.service, facts.release) == ("shop", "web-r7", 7)
    assert facts.name == f"{machine.naming.project('shop')}.web-r7"
    assert facts.running
    assert facts.pid > 0
    assert (facts.exit_code, facts.restarts, facts.oom_killed) == (0, 0, False)
    assert facts.image_id == (await machine.engine.image(machine.image)).id


async def test_up_twice(machine):
    """What runs already is left as it is."""
    release = machine.release(replicas=2)
    before = {c.service: c.id for c in await machine.up(release)}
    assert len(before) == 2
    assert {c.service: c.id for c in await machine.up(release)} == before


async def test_two_releases(machine):
    """Bringing up one release touches no other."""
    first, second = machine.release(1), machine.release(2)
    (before,) = await machine.up(first)
    found = {c.release: c for c in await machine.up(first, second)}
    assert sorted(found) == [1, 2]
    assert found[1].id == before.id
    assert found[1].pid == before.pid


async def test_stop_start_remove(machine):
    """A stopped container stays and can be started; removing what is gone is fine."""
    (facts,) = await machine.up(machine.release())
    for _ in range(2):
        await machine.engine.stop(facts.id, 5)
    stopped = await machine.wait(facts, "exited")
    assert stopped.pid == 0
    for _ in range(2):
        await machine.engine.start(facts.id)
    assert (await machine.wait(facts, "running")).pid > 0
    for _ in range(2):
        await machine.engine.remove(facts.id)
        assert await machine.engine.containers("shop") == ()


async def test_what_is_gone_can_be_stopped_and_started(machine):
    """An operation that is repeated after a crash may find nothing any more."""
    (facts,) = await machine.up(machine.release())
    await machine.engine.remove(facts.id)
    await machine.engine.stop(facts.id, 1)
    await machine.engine.start(facts.id)
    assert await machine.engine.tail(facts.id, 5) == ()


async def test_up_starts_what_rests(machine):
    """Containers that were stopped are started, not made again."""
    release = machine.release()
    (facts,) = await machine.up(release)
    await machine.engine.stop(facts.id, 5)
    (again,) = await machine.up(release)
    assert (again.id, again.state) == (facts.id, "running")


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("stop", "running", ["exited"]),
        ("start", "exited", ["running"]),
        ("remove", "running", []),
        ("create", "running", ["created", "running"]),
    ],
)
async def test_what_was_asked_by_somebody_who_is_gone(machine, verb, before, after):
    """Docker does it all the same; what is observed once it has settled is what comes of it."""
    (facts,) = await machine.up(machine.release(name=SLOW))
    await machine.heard(facts, "ready")
    if before == "exited":
        await machine.engine.stop(facts.id, 0)
    machine.abandon(verb, facts)
    assert await machine.engine.settle(60)
    found = await machine.engine.containers("shop")
    assert sorted(c.state for c in found) == after
    made = [c.name for c in found if c.id != facts.id]
    assert made == ([f"{facts.id[:12]}_{facts.name}"] if verb == "create" else [])


async def test_a_patience_that_ends(machine):
    """Docker is not waited for without end, and it is told that it has not settled."""
    (facts,) = await machine.up(machine.release(name=SLOW))
    await machine.heard(facts, "ready")
    machine.abandon("stop", facts)
    assert not await machine.engine.settle(0.3)
    assert await machine.engine.settle(60)
    assert [c.state for c in await machine.engine.containers("shop")] == ["exited"]


async def test_apps_apart(machine):
    """One app's containers are not another's."""
    await machine.up(machine.release())
    assert await machine.engine.containers("sho") == ()
    assert await machine.engine.containers("other") == ()
    assert len(await machine.engine.containers()) == 1


async def test_an_exit(machine):
    """How a container ended is known afterwards, with what it wrote."""
    (facts,) = await machine.up(machine.release(name=EXITS))
    ended = await machine.wait(facts, "exited")
    assert ended.exit_code == 1
    (exit_,) = await machine.engine.exits([facts.id], ended.started_at - 3600)
    assert (exit_.code, exit_.oom) == (1, False)
    assert len(await machine.engine.tail(facts.id, 1)) == 1


async def test_logs(machine):
    """Lines come with what wrote them, the last of them on request."""
    (facts,) = await machine.up(machine.release(name=EXITS))
    await machine.wait(facts, "exited")
    every = [x async for x in machine.engine.logs(facts, since=0, tail=-1, follow=False)]
    assert every
    assert {(x.service, x.release) for x in every} == {(f"{EXITS}-r1", 1)}
    assert [x.text for x in every] == list(await machine.engine.tail(facts.id, 100))
    last = [x async for x in machine.engine.logs(facts, since=0, tail=1, follow=False)]
    assert last == every[-1:]


async def test_volumes(machine):
    """A volume belongs to the app, outlives its containers, and goes only when asked."""
    (facts,) = await machine.up(machine.release(mounts=DATA))
    name = machine.naming.volume("shop", "data")
    assert await machine.engine.volumes("shop") == (name,)
    assert await machine.engine.volumes("other") == ()
    await machine.engine.remove(facts.id)
    assert await machine.engine.volumes("shop") == (name,)
    for _ in range(2):
        await machine.engine.remove_volume(name)
        assert await machine.engine.volumes("shop") == ()


async def test_values_arrive(machine):
    """Each container sees the values of its own release, secrets and dollars included."""
    values = {"PLAIN": EnvValue("$5 ${HOME} $$"), "A.b-c": EnvValue("x")}
    releases = [
        machine.release(n, environment={**values, "TOKEN": EnvValue(f"s$ecret{n}", sensitive=True)})
        for n in (1, 2)
    ]
    await machine.up(releases[0])
    for facts in await machine.up(*releases):
        found = machine.environment(facts)
        assert found["PLAIN"] == "$5 ${HOME} $$"
        assert found["A.b-c"] == "x"
        assert found["TOKEN"] == f"s$ecret{facts.release}"


async def test_an_image_that_is_gone(machine):
    """Compose never fetches anything by itself."""
    machine.image = "cove-test/there-is-none:1"
    with pytest.raises(CoveError):
        await machine.up(machine.release())
    assert [c for c in await machine.engine.containers("shop") if c.running] == []


async def test_an_address_that_is_taken(machine):
    """Two containers never share an address: the second does not run."""
    first = machine.release(1)
    await machine.up(first)
    second = machine.release(2)
    (place,) = second.placements
    stolen = replace(place, address=first.placements[0].address)
    thief = replace(second, placements=(stolen,))
    with pytest.raises(CoveError):
        await machine.up(first, thief)
    assert [c.release for c in await machine.engine.containers("shop") if c.running] == [1]


async def test_discard(machine):
    """A project's folder can go twice; nobody is waited for where nobody works."""
    await machine.composer.settle("shop")
    await machine.up(machine.release())
    for _ in range(2):
        await machine.composer.discard("shop")
    await machine.composer.settle("shop")
    assert len(await machine.engine.containers("shop")) == 1
    with pytest.raises(CoveError):
        await machine.composer.up("shop", ["web-r1"], {})
