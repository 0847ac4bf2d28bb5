"""From a reference to bytes: when a registry is asked, and what runs."""

from __future__ import annotations

from typing import Any

import pytest

from cove.rollout.images import repository

from support.site import APP, Site
from support.virtual_time import run
from support.world import image_facts

DIGEST = "acme/shop@sha256:" + "d" * 64
NEW = "acme/shop@sha256:" + "e" * 64


def local(here: Site, number: int = 7, **given: Any) -> None:
    """What lies on this machine as acme/shop:7."""
    here.world.image("acme/shop:7", number)
    facts = image_facts("acme/shop:7", number, **given)
    for name in ("acme/shop:7", facts.id, *facts.digests):
        here.world.images[name] = facts


def remote(here: Site, number: int = 8, **given: Any) -> None:
    """What the registry has as acme/shop:7."""
    here.world.image("unused", number)
    here.world.images.pop("unused")
    facts = image_facts("acme/shop:7", number, **{"digests": (NEW,), **given})
    here.world.registry["acme/shop:7"] = facts


def deployed(here: Site, text: str = "") -> Any:
    """The image of the release, or the error's code."""
    ended = run(here.deploy(text, image="acme/shop:7"))
    if ended.outcome != "live":
        return here.error(ended)["code"]
    release = here.store.releases(APP)[0]
    return release.images["shop"]


def test_a_tag_is_asked_for_again(here):
    """An image that came from a registry may have a newer one there; exactly that runs."""
    local(here, digests=(DIGEST,))
    remote(here)
    image = deployed(here)
    assert (image.run, image.digest, image.pulled) == (NEW, NEW.partition("@")[2], True)
    assert here.world.of(APP)[0].image == image.id


def test_the_same_again(here):
    """What has not changed was not brought by this release, and is not its to remove."""
    local(here, digests=(DIGEST,))
    remote(here, 7, digests=(DIGEST,))
    assert deployed(here).pulled is False


def test_a_local_image_needs_no_registry(here):
    """An image that was built here is what runs; nobody is asked."""
    local(here)
    image = deployed(here)
    assert (image.run, image.digest) == (image.id, "")


def test_a_registry_without_the_image(here):
    """What it lacks but this machine has runs, with a notice."""
    local(here, digests=(DIGEST,))
    ended = run(here.deploy(image="acme/shop:7"))
    notices = [e.text for e in here.events(ended) if e.kind == "notice"]
    assert notices == ["acme/shop:7 is in no registry; this machine's copy is used"]


@pytest.mark.parametrize("policy", ["missing", "never"])
def test_a_policy_that_asks_nobody(here, policy):
    """What is here runs, whatever the registry has."""
    local(here, digests=(DIGEST,))
    remote(here)
    assert deployed(here, f"pull_policy: {policy}\n").run == DIGEST


def test_missing_is_fetched(here):
    """What is not here is fetched, unless that is forbidden."""
    remote(here)
    assert deployed(here, "pull_policy: never\n") == "image-missing"
    assert deployed(here, "pull_policy: missing\n").pulled is True


@pytest.mark.parametrize("given", [{"architecture": "arm64"}, {"os": "windows"}])
def test_another_platform(here, given):
    """An image this machine cannot run is refused before anything starts."""
    local(here, **given)
    assert deployed(here) == "image-platform"
    assert here.world.of(APP) == []


def test_the_digest_that_was_asked_for(here):
    """Of several digests, the one in the file is what runs."""
    local(here, digests=(DIGEST, NEW))
    here.world.images[NEW] = here.world.images["acme/shop:7"]
    run(here.deploy(image=NEW))
    assert here.store.releases(APP)[0].images["shop"].run == NEW


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("docker.io/library/nginx:1", "nginx"),
        ("index.docker.io/acme/shop", "acme/shop"),
        ("docker.io/acme/shop@sha256:" + "a" * 64, "acme/shop"),
        ("registry.test:5000/acme/shop", "registry.test:5000/acme/shop"),
        ("registry.test:5000/acme/shop:1@sha256:" + "a" * 64, "registry.test:5000/acme/shop"),
    ],
)
def test_repositories(reference, name):
    """A reference without tag and digest, as Docker prints it; a port is no tag."""
    assert repository(reference) == name


def tags(here: Site) -> set[str]:
    """cove's own tags."""
    return {name for name in here.world.images if name.startswith("cove.local/")}


def test_the_images_of_five_releases_are_kept(here):
    """A rollback finds its image; older ones go, and so do those of failed releases."""
    for number in range(1, 9):
        here.world.image(f"acme/shop:{number}", number)
        assert run(here.deploy(image=f"acme/shop:{number}")).outcome == "live"
    here.world.image("acme/shop:9", 9, exits_after=0)
    run(here.deploy(image="acme/shop:9"))
    assert tags(here) == {f"cove.local/shop/shop:r{n}" for n in range(4, 9)}


def test_a_rollback_fetches_what_is_gone(here):
    """By its digest, and only where a registry ever had it."""
    local(here, digests=(DIGEST,))
    remote(here, 7, digests=(DIGEST,))
    deployed(here)
    run(here.deploy(image="acme/shop:1"))
    here.world.registry[DIGEST] = here.world.registry["acme/shop:7"]
    here.world.images.pop(DIGEST, None)

    async def back() -> str:
        return str((await here.finished(here.rollouts.rollback(APP, None, "ann"))).outcome)

    assert run(back()) == "live"
    assert DIGEST in here.world.images


def test_a_rollback_to_a_local_image_that_is_gone(here):
    """What only this machine had cannot come back."""
    run(here.deploy())
    run(here.deploy(image="acme/shop:2"))
    here.world.images.pop(f"sha256:{1:064x}")

    async def back() -> str:
        ended = await here.finished(here.rollouts.rollback(APP, None, "ann"))
        return str(here.error(ended)["code"])

    assert run(back()) == "image-missing"
