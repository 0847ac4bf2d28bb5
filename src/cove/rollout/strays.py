"""What runs on of containers that Docker takes for ended.

Imported inside `cove.rollout` and by the agent.

A Docker that dies as it starts a container forgets that it did. The process goes on with its
address and its volumes; Docker does not stop it, and cannot start the container again: its "id is
already in use". Seen with Docker 20.10, where such a start comes back after every restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Final

from cove.ports import Platform, Sighting

RESTING: Final = frozenset({"created", "exited", "dead"})
_log = logging.getLogger(__name__)


async def end(seen: Sequence[Sighting], platform: Platform) -> set[str]:
    """Ends what runs on of containers at rest; the apps it was of. Raises PlatformError."""
    resting = {one.id: one for one in seen if one.state in RESTING}
    found = await _processes(resting, platform)
    apps = {resting[container].app for container in found}
    # Docker tells of no container that it is just starting. So one that rests now has not been
    # started by the time its processes were seen.
    now = [facts for app in apps for facts in await platform.engine.containers(app)]
    still = {facts.id for facts in now if facts.state in RESTING}
    ended = {container: pids for container, pids in found.items() if container in still}
    for container in ended:
        one = resting[container]
        text = "%s ran on although Docker takes it for ended; its processes are ended"
        _log.warning(text, one.name, extra={"app": one.app})
    await _end(ended, platform)
    return {resting[container].app for container in ended}


async def end_removed(containers: Collection[str], platform: Platform) -> None:
    """Ends what runs on of containers that have been removed."""
    await _end(await _processes(containers, platform), platform)


async def _processes(containers: Collection[str], platform: Platform) -> dict[str, tuple[int, ...]]:
    if not containers:
        return {}
    return await asyncio.to_thread(platform.host.processes_of, containers)


async def _end(found: dict[str, tuple[int, ...]], platform: Platform) -> None:
    await asyncio.gather(
        *(
            platform.host.end_process(pid, container, terminal=False)
            for container, pids in found.items()
            for pid in pids
        )
    )
