"""What the app file's reader makes of Compose's keys, Compose takes."""

from __future__ import annotations

import json
import os
import subprocess

from msgspec.structs import replace

from cove.adapters.compose.binary import find_compose
from cove.appfile import Server, load
from cove.appfile.keys import OPTIONS
from cove.appfile.reference import KEYS
from cove.model.app import App, Service
from cove.render.compose import compose_document
from cove.render.naming import Naming

from support.releases import release

MORE = (
    ("cap_add: [CHOWN, CAP_SETUID]", ""),
    ("deploy: {resources: {reservations: {devices: [{count: all, capabilities: [gpu]}]}}}", "gpus"),
    ("devices: ['/dev/snd:/dev/x:r']", "device=/dev/snd"),
    ("gpus: [{driver: nvidia, count: 2, capabilities: [gpu]}]", "gpus"),
    ("healthcheck: {test: [NONE]}", ""),
    ("oom_score_adj: -5", "oom-score"),
    ("security_opt: [no-new-privileges]", ""),
    ("security_opt: ['seccomp:unconfined']", "security-opt=seccomp=unconfined"),
    ("security_opt: [systempaths=unconfined]", "security-opt=systempaths=unconfined"),
    ("sysctls: [net.core.somaxconn=10]", "sysctl=net.core.somaxconn"),
    ("ulimits: {rtprio: 10}", "ulimit=rtprio"),
)


def service(text: str, grant: str) -> Service:
    """The one service of a short form."""
    app = load(
        f"image: acme/shop:1\n{text}\n",
        name="shop.yml",
        env_files={},
        variables={},
        server=Server("/srv/shop", lambda _: frozenset({grant})),
    )
    return app.services[0]


def test_compose_takes_every_option() -> None:
    """One service for each key of the reference that Compose acts on, and for other spellings."""
    texts = [
        (entry.example, entry.grant)
        for key, entry in KEYS.items()
        if key in OPTIONS and key != "network_mode"
    ]
    read = [service(text, grant) for text, grant in (*texts, *MORE)]
    named = tuple(replace(found, name=f"s{i}") for i, found in enumerate(read))
    document = compose_document(
        "shop", [release(1, App(name="shop", services=named))], Naming("cove")
    )
    done = subprocess.run(
        [find_compose().path, "-f", "-", "config", "--format", "json"],
        input=json.dumps(document),
        text=True,
        capture_output=True,
        env=dict(os.environ),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["services"]) == len(named)
