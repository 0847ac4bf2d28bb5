"""What the commands that act on one app share: post, then follow the rollout.

`rollback`, `stop`, `start`, `restart` and `remove` import it.
"""

from __future__ import annotations

from typing import Any

from cove.cli.client import Client
from cove.cli.options import Settings
from cove.cli.output import Output


def act(settings: Settings, app: str, verb: str, **body: Any) -> int:
    """Asks the agent to do it and follows; returns the exit code."""
    from cove.cli.follow import follow
    from cove.cli.request import author

    client = Client(settings)
    answer = client.post(f"/v1/apps/{app}/{verb}", {**body, "by": author()})
    return follow(settings, Output(settings), client, answer["rollout"])
