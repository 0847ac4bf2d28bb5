"""What a client asks of an agent. Any layer may import it; the CLI sends the same JSON."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

# Characters. The answer to a bad file repeats its name with every finding.
Who = Annotated[str, Meta(max_length=512)]
FileName = Annotated[str, Meta(max_length=1024)]
Place = Annotated[str, Meta(max_length=8192)]  # PATH_MAX is 4096 bytes; a host's name, and room


class DeployRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An app file as text, with everything it refers to on the client's side."""

    text: str
    name: FileName = "cove.yml"  # how errors call the file
    origin: Place = ""  # host:path, so that two files with one app name are noticed
    env_files: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # configs, secrets, certificates; by path
    folder: Place = ""  # of the file on the agent's own machine; empty from elsewhere
    variables: dict[str, str] = field(default_factory=dict)
    by: Who = ""
    why: Who = ""
    take_over: bool = False


class PlanView(Struct, frozen=True, kw_only=True):
    """What a rollout would do, in words."""

    app: str
    release: int
    release_now: int
    operations: tuple[dict[str, str], ...]
    notes: tuple[str, ...]
    urls: tuple[str, ...]
    variables: tuple[str, ...] = ()  # names of those taken from the client's shell or `.env`
