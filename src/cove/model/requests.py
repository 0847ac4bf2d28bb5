"""What a client asks of an agent. Any layer may import it; the CLI sends the same JSON."""

from __future__ import annotations

from msgspec import Struct, field


class DeployRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An app file as text, with everything it refers to on the client's side."""

    text: str
    name: str = "cove.yml"  # how errors call the file
    origin: str = ""  # host:path, so that two files with one app name are noticed
    env_files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    by: str = ""
    why: str = ""
    take_over: bool = False


class PlanView(Struct, frozen=True, kw_only=True):
    """What a rollout would do, in words."""

    app: str
    release: int
    release_now: int
    operations: tuple[dict[str, str], ...]
    notes: tuple[str, ...]
    urls: tuple[str, ...]
