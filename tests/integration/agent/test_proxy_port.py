"""The loopback port on which the proxy answers the agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.agent import Agent, running
from support.appfiles import app_file, host
from support.images import Images
from support.places import free_port
from support.polling import until

NOBODY = 65534  # Debian's user that owns nothing
# Says of itself what the proxy would say, as far as the agent asks before it trusts an answer.
IMPOSTOR = """
import os, socket
os.setgid({nobody}); os.setuid({nobody})
listening = socket.create_server(("127.0.0.1", {port}))
print("ready", flush=True)
body = b'{{"Version": "impostor"}}'
head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n"
while True:
    connection, _ = listening.accept()
    connection.recv(65536)
    connection.sendall(head % len(body) + body)
    connection.close()
"""


def api_port(agent: Agent) -> int:
    """The port as it is recorded."""
    return int(json.loads((agent.data_dir / "instance.json").read_text())["api_port"])


@contextmanager
def impostor(port: int) -> Iterator[None]:
    """Another user's process on the port."""
    program = IMPOSTOR.format(nobody=NOBODY, port=port)
    argv = [sys.executable, "-I", "-c", program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def test_another_user_cannot_speak_for_the_proxy(images: Images) -> None:
    """Whoever was faster at boot keeps neither the agent from the proxy nor the proxy down."""
    if os.geteuid() != 0:
        pytest.fail("this needs root, which can become another user")
    with running(Agent()) as agent:
        agent.deploy(app_file("shop", images.hello)).expect("live")
        before = api_port(agent)
        agent.api("POST", "/v1/shutdown", {"proxy": True})
        assert agent.exit_code() == 0
        with impostor(before):
            agent.start()
            assert api_port(agent) != before
            version = agent.version()
            assert version
            assert version["proxy"]["version"] != "impostor"
            assert agent.web.get(host("shop")).status == 200


def test_another_user_cannot_answer_challenges(images: Images) -> None:
    """Not even while the agent is away: the ports are root's. Those of earlier agents move."""
    if os.geteuid() != 0:
        pytest.fail("this needs root, which can become another user")
    with running(Agent()) as agent:
        path = agent.data_dir / "instance.json"
        before = json.loads(path.read_text())
        agent.api("POST", "/v1/shutdown", {})
        assert agent.exit_code() == 0
        for name in ("challenge_port", "alpn_port", "page_port"):
            program = IMPOSTOR.format(nobody=NOBODY, port=before[name])
            argv = [sys.executable, "-I", "-c", program]
            ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
            assert "PermissionError" in ended.stderr
        high = free_port()
        path.write_text(json.dumps(before | {"challenge_port": high}))
        agent.start()
        after = json.loads(path.read_text())
        assert after["challenge_port"] != high
        assert after["alpn_port"] == before["alpn_port"]
        agent.deploy(app_file("shop", images.hello)).expect("live")
        asked = host("shop"), "/.well-known/acme-challenge/x"
        until(lambda: agent.web.plain(*asked).headers.get("server") == "cove", "it answers", 30)
