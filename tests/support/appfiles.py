"""App files for tests on a real engine: quick rollouts, one per call."""

from __future__ import annotations

import json
from typing import Any

QUICK = {"settle": "0s", "drain": "2s", "timeout": "5s"}


def app_file(name: str, image: str, **keys: Any) -> str:
    """An app at NAME.localhost whose health is asked; `keys` replace or, when None, take away."""
    rollout = QUICK | keys.pop("rollout", {})
    document: dict[str, Any] = {"name": name, "image": image, "health": "/healthz"}
    if "routes" not in keys:
        document["domain"] = host(name)
    document |= {"rollout": rollout, "stop_grace_period": "5s"} | keys
    # JSON is YAML.
    return json.dumps({key: value for key, value in document.items() if value is not None})


def host(name: str) -> str:
    """The domain an app of that name answers at."""
    return f"{name}.localhost"
