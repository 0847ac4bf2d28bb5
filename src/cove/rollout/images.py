"""Turning a reference into exactly the bytes that will run. Imported inside `cove.rollout`."""

from __future__ import annotations

from collections.abc import Collection

from cove.errors import Refused
from cove.model.app import App, Service
from cove.model.release import Image, Release
from cove.ports import Engine, ImageFacts
from cove.rollout.work import Work

# What Docker leaves out when it prints a reference to its own registry.
_FAMILIAR = ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/")


async def resolve_images(app: App, work: Work) -> dict[str, Image]:
    """Every service's image, pulled where needed.

    Raises Refused (`image-missing`, `image-login`, `image-platform`, `registry-down`).
    """
    found: dict[tuple[str, str, object], Image] = {}
    images = {}
    for service in app.services:  # a web service and its worker often share one
        key = (service.image, service.pull_policy, service.options.get("platform"))
        if key not in found:
            found[key] = await _resolve(service, work)
        images[service.name] = found[key]
    return images


async def local_images(app: App, engine: Engine) -> tuple[dict[str, Image], list[str]]:
    """The images that are on this machine already, and a note for each service that lacks one.

    Raises Refused as `resolve_images` would without asking a registry.
    """
    images: dict[str, Image] = {}
    notes = []
    for service in app.services:
        facts = await _so_called(service.image, engine)
        if not _must_pull(service, facts):
            await _check_platform(service.image, _present(service, facts), engine)
        if facts is None:
            notes.append(f"{service.image} is not on this machine yet and would be pulled")
        else:
            images[service.name] = _image(service.image, facts, pulled=False)
    return images, notes


async def recall_images(
    release: Release, work: Work, services: Collection[str] | None = None
) -> dict[str, Image]:
    """The images of an earlier release, fetched by digest where they are gone from this machine.

    Those of the named services, or all of them.

    Raises Refused (`image-missing`) for one that only this machine had and that was removed.
    """
    return {
        name: await _recall(image, work)
        for name, image in release.images.items()
        if services is None or name in services
    }


def repository(reference: str) -> str:
    """The reference without its tag and digest, in the form Docker prints."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    for prefix in _FAMILIAR:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


async def _resolve(service: Service, work: Work) -> Image:
    engine = work.platform.engine
    reference = service.image
    before = await _so_called(reference, engine)
    if _must_pull(service, before):
        await _pull(service, before, work)
    facts = await _so_called(reference, engine)
    facts = _present(service, facts)
    await _check_platform(reference, facts, engine)
    pulled = before is None or before.id != facts.id
    return _image(reference, facts, pulled=pulled)


async def _so_called(reference: str, engine: Engine) -> ImageFacts | None:
    """The image of that name. The Engine also takes the first digits of any image's ID for one."""
    facts = await engine.image(reference)
    wanted = repository(reference)
    named = facts and any(repository(n) == wanted for n in (*facts.tags, *facts.digests))
    return facts if named else None


def _present(service: Service, facts: ImageFacts | None) -> ImageFacts:
    if facts is None:
        raise Refused(
            f"{service.image} is not on this machine, and `pull_policy: {service.pull_policy}` "
            "forbids fetching it",
            code="image-missing",
        )
    return facts


def _must_pull(service: Service, local: ImageFacts | None) -> bool:
    if service.pull_policy == "never":
        return False
    if local is None:
        return True
    if service.pull_policy == "missing" or "@sha256:" in service.image:
        return False
    # An image without a digest of its repository was built or loaded here: no registry has it.
    return bool(_digests(service.image, local))


async def _pull(service: Service, local: ImageFacts | None, work: Work) -> None:
    def progress(done: int, total: int, text: str) -> None:
        work.emit("progress", -1, text, {"done": done, "total": total})

    try:
        await work.platform.engine.pull(
            service.image, str(service.options.get("platform", "")), progress
        )
    except Refused as error:
        if local is None or error.specific_code != "image-missing":
            raise
        work.emit("notice", text=f"{service.image} is in no registry; this machine's copy is used")


async def _check_platform(reference: str, facts: ImageFacts, engine: Engine) -> None:
    info = await engine.info()
    if facts.os == "linux" and facts.architecture in ("", info.architecture):
        return
    raise Refused(
        f"{reference} is for {facts.os}/{facts.architecture}; this machine is "
        f"linux/{info.architecture}",
        code="image-platform",
        hint=f"build it for linux/{info.architecture}, or for several platforms at once",
    )


def _image(reference: str, facts: ImageFacts, *, pulled: bool) -> Image:
    digests = _digests(reference, facts)
    run = digests[0] if digests else facts.id
    return Image(
        reference=reference,
        run=run,
        id=facts.id,
        digest=run.partition("@")[2] if digests else "",
        ports=facts.ports,
        volumes=facts.volumes,
        architecture=facts.architecture,
        pulled=pulled,
    )


def _digests(reference: str, facts: ImageFacts) -> list[str]:
    wanted = repository(reference)
    asked = reference.partition("@")[2]
    found = [d for d in facts.digests if repository(d) == wanted]
    return sorted(found, key=lambda d: not (asked and d.endswith(asked)))


async def _recall(image: Image, work: Work) -> Image:
    engine = work.platform.engine
    if await engine.image(image.run) is not None:
        return image
    if not image.digest:
        raise Refused(
            f"{image.reference} of that release was only on this machine and is gone",
            code="image-missing",
            hint="build or load it again, then deploy",
        )

    def progress(done: int, total: int, text: str) -> None:
        work.emit("progress", -1, text, {"done": done, "total": total})

    await engine.pull(image.run, "", progress)
    return image
