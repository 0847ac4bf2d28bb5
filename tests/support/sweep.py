"""Breaking a rollout at each of its moments, in each of the ways it can be broken.

A moment is one write to the store or one change to the world. Whatever becomes of it, the world
must be as the record says, no request lost, nothing left over, and the next rollout must work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cove.rollout.recovery import restore

from support.scenarios import Scenario, acted, moments, prepared_site, problems
from support.site import APP, WRITES, Site, dying
from support.virtual_time import run
from support.world import Act, Killed, broken, failing

Break = Callable[[Site, Scenario, int], None]


def is_write(moment: str) -> bool:
    """Whether a moment belongs to the store."""
    return moment.split(maxsplit=1)[0] in WRITES


def sweep(
    folder: Path, scenario: Scenario, chosen: Callable[[str], bool], broke: Break, every: int = 1
) -> None:
    """Breaks the rollout at the chosen moments, each time on a machine of its own.

    With `every` only at each so-manieth of them, for those who have no time.
    """
    whole = moments(folder / "whole", scenario)
    picked = [index for index, moment in enumerate(whole) if chosen(moment)][::every]
    assert picked
    found = []
    for index in picked:
        with prepared_site(folder / str(index), scenario) as site:
            broke(site, scenario, index)
            found += [f"{index}, {whole[index]}: {p}" for p in aftermath(site, scenario)]
    assert found == []


def aftermath(site: Site, scenario: Scenario) -> list[str]:
    """What is wrong once the agent has looked after what it knows to be unsettled."""
    site.world.on_moment = None
    for app in sorted(site.rollouts.unsettled):
        run(restore(app, site.rollouts))
    left = site.store.app(APP) is not None
    if scenario.removes and left and (site.record.stopped or APP in site.rollouts.troubles):
        run(acted(site, scenario))  # a removal that failed half-way can be asked for again
    found = problems(site)
    if not found:
        ended = run(site.deploy(scenario.text, image="acme/shop:3"))
        found = [] if ended.outcome == "live" else [f"the next deploy: {site.error(ended)}"]
        found += problems(site)
    return found


def fails(act: Act) -> Break:
    """A part of the platform, or the disk, fails once."""

    def broke(site: Site, scenario: Scenario, index: int) -> None:
        site.world.on_moment = failing(index, act, broken)
        run(acted(site, scenario))

    return broke


def cancels(*, again: bool) -> Break:
    """Somebody cancels at one moment, or at each from then on."""

    def broke(site: Site, scenario: Scenario, index: int) -> None:
        async def main() -> None:
            rollout = scenario.act(site)

            def on_moment(now: int, name: str, act: Act) -> None:
                if now == index or (again and now > index):
                    asyncio.get_running_loop().call_soon(site.rollouts.cancel, rollout.id)

            site.world.on_moment = on_moment
            await site.finished(rollout)

        run(main())

    return broke


def fills_up(site: Site, scenario: Scenario, index: int) -> None:
    """From one moment on nothing can be recorded, until there is room again."""
    left = iter(range(60))

    def on_moment(now: int, name: str, act: Act) -> None:
        if now >= index and act == "before" and is_write(name) and next(left, None) is not None:
            raise broken()

    site.world.on_moment = on_moment
    run(acted(site, scenario))


@contextmanager
def death(site: Site, index: int) -> Iterator[None]:
    """The agent dies in this block; a new one is there after it."""
    site.world.on_moment = dying(site.world, index)
    with suppress(Killed):
        yield
    site.restart()


def killed(*, reboot: bool = False, again_after: int = 0) -> Break:
    """kill -9, then recovery, which may be killed too, and perhaps a restart of the machine."""

    def broke(site: Site, scenario: Scenario, index: int) -> None:
        with death(site, index):
            run(acted(site, scenario))
        if reboot:
            site.world.reboot()
        if again_after:
            with death(site, len(site.world.moments) + index * 7 % again_after):
                run(site.recover())
        run(site.recover())

    return broke


def before_any(moment: str) -> bool:
    """Before every write and change."""
    return "(before)" in moment


def before_write(moment: str) -> bool:
    """Before every write to the store."""
    return before_any(moment) and is_write(moment)


def after_any(moment: str) -> bool:
    """After every write and change; nothing happens from there to the next one's beginning."""
    return "(after)" in moment


def after_change(moment: str) -> bool:
    """After every change of the world."""
    return after_any(moment) and not is_write(moment)


def change(moment: str) -> bool:
    """Before and after every change of the world; to cancel before one is to let it be sent."""
    return not is_write(moment) and not sent_any(moment)


def sent_any(moment: str) -> bool:
    """While Docker does what it was asked for: it goes on with that, whoever dies."""
    return "(sent)" in moment
