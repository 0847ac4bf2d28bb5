"""Requests nobody sends by mistake: each gets a plain no, and the agent goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from cove.agent.ports import free_port

from support.agent import Agent, ApiError
from support.appfiles import app_file
from support.images import Images

HUGE = 10**30
NOBODY = 65534  # Debian's user that owns nothing
BAD = [
    ("/v1/rollouts", {"limit": -1}),
    ("/v1/rollouts", {"limit": HUGE}),
    ("/v1/rollouts", {"limit": "1_0"}),
    ("/v1/apps/quiet/logs", {"since": "nan"}),
    ("/v1/apps/quiet/logs", {"since": "inf"}),
    ("/v1/apps/quiet/logs", {"since": "1e308"}),
    ("/v1/apps/quiet/logs", {"since": -1}),
    ("/v1/apps/quiet/logs", {"tail": -5}),
    ("/v1/apps/quiet/logs", {"tail": "x"}),
    ("/v1/logs", {"level": "loud"}),
    ("/v1/logs", {"stream": "stdin"}),
    ("/v1/logs", {"text": "x" * 5000}),
    ("/v1/logs", {"regex": "yes"}),
    ("/v1/logs", {"until": "1e3"}),
    ("/v1/logs", {"follow": 1, "newest": 1}),
    ("/v1/logs", {"before": -1}),
    ("/v1/rollouts/1/events", {"after": HUGE}),
    ("/v1/rollouts/1/events", {"after": -1}),
]


@pytest.fixture(scope="module", autouse=True)
def quiet(agent: Agent, images: Images) -> None:
    """An app, so that a log can be asked for."""
    agent.deploy(app_file("quiet", images.hello)).expect("live")


@pytest.mark.parametrize(("path", "query"), BAD)
def test_absurd_numbers_are_refused(agent: Agent, path: str, query: dict[str, object]) -> None:
    """Neither a bug nor an endless answer."""
    with pytest.raises(ApiError) as caught:
        agent.api("GET", path, **query)
    assert (caught.value.status, caught.value.code) == (422, "bad-request")


@pytest.mark.parametrize("number", [0, -1, HUGE])
def test_a_rollout_that_cannot_be_is_not_found(agent: Agent, number: int) -> None:
    """Also one whose number no database could hold."""
    with pytest.raises(ApiError) as caught:
        agent.api("GET", f"/v1/rollouts/{number}")
    assert (caught.value.status, caught.value.code) == (404, "not-found")


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%00", "%2e%2e", "quiet%2f..%2fquiet"])
@pytest.mark.parametrize("verb", ["stop", "start", "restart", "remove", "rollback"])
def test_a_path_is_no_app(agent: Agent, name: str, verb: str) -> None:
    """Names are looked up, never made into paths."""
    with pytest.raises(ApiError) as caught:
        agent.api("POST", f"/v1/apps/{name}/{verb}", {})
    assert (caught.value.status, caught.value.code) == (404, "not-found")


def test_a_request_beyond_the_limit_is_called_too_large(agent: Agent) -> None:
    """And not an unknown path."""
    with pytest.raises(ApiError) as caught:
        agent.api("POST", "/v1/plan", {"text": "a" * (5 << 20)})
    assert caught.value.status == 413


@pytest.mark.parametrize("field", ["name", "by", "why", "origin"])
def test_what_answers_repeat_is_short(agent: Agent, field: str) -> None:
    """A long name would stand before each of thousands of findings."""
    text = "".join(f"k{i}: 1\n" for i in range(600))
    with pytest.raises(ApiError) as caught:
        agent.api("POST", "/v1/plan", {"text": text, field: "n" * 100_000})
    assert caught.value.code == "bad-request"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00" + b"\0" * 300,
        b"POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        (
            b"POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"GET /v1/version HTTP/1.1\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
    ],
)
def test_what_is_not_http_is_refused(agent: Agent, sent: bytes) -> None:
    """The connection ends and the next one is answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(agent.socket))
        try:
            connection.sendall(sent)
            assert connection.recv(4096).startswith(b"HTTP/1.0 400 ")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up before all was sent
    assert agent.version()


def test_another_user_reaches_nothing(agent: Agent) -> None:
    """Neither the socket nor any file is open to the machine's other users."""
    if os.geteuid() != 0:
        pytest.fail("this needs root, which can become another user")
    agent.data_dir.parent.chmod(0o755)  # the test's own folder, which is in the way
    program = (
        "import os, socket, sys\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        f"folder = {str(agent.data_dir)!r}\n"
        "for name in ('agent.sock', 'state.db', 'instance.json', 'apps/quiet/compose.yaml'):\n"
        "    try: os.stat(os.path.join(folder, name))\n"
        "    except PermissionError: continue\n"
        "    sys.exit(name)\n"
        "try: socket.socket(socket.AF_UNIX).connect(folder + '/agent.sock')\n"
        "except PermissionError: sys.exit(0)\n"
        "sys.exit('connected')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_proxys_own_port_is_never_an_outgoing_one() -> None:
    """After a reboot any connection could hold a port that the kernel hands out itself."""
    assert all(20_000 <= free_port() < 32_768 for _ in range(20))
