"""Secret values reach the container, and nothing that others could read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from support import engine
from support.agent import Agent
from support.appfiles import app_file
from support.images import Images

SECRETS = {"TOKEN": "s3cr3t-token-$x", "FROM_FILE": "file-pässword-42", "MULTI": "a-part"}
VERSIONED = "interpolated-middle-77"
LABELLED = "interpolated-label-78"


class Deployed:
    """What is to be searched after a deploy with secrets."""

    def __init__(self, agent: Agent, images: Images) -> None:
        keys = {
            "environment": {
                "TOKEN": "${TOKEN}",
                "VERSION": "1",
                "MULTI": "postgres://u:${MIDDLE}@db",
            },
            "env_file": "secret.env",
            "labels": {"note": "${LABELLED}"},
        }
        self.argv: set[bytes] = set()
        text = app_file("secretive", images.hello, **keys)
        more = {
            "variables": {"TOKEN": SECRETS["TOKEN"], "MIDDLE": VERSIONED, "LABELLED": LABELLED},
            "env_files": {"secret.env": f"FROM_FILE={SECRETS['FROM_FILE']}\n"},
        }
        rollout = agent.begin(text, **more)
        with agent.stream(f"/v1/rollouts/{rollout['id']}/events") as events:
            self.events = []
            for event in events:
                self.events.append(str(event))
                self.argv |= command_lines()
        assert "'outcome': 'live'" in self.events[-1]
        # A second release, so that both are in Compose's hands at once.
        agent.deploy(text, **more).expect("live")


def command_lines() -> set[bytes]:
    """The arguments of every process of this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes())
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def deployed(agent, images) -> Deployed:
    """An app with secrets, deployed twice."""
    return Deployed(agent, images)


def needles() -> list[str]:
    """What must be found nowhere."""
    return [SECRETS["TOKEN"], SECRETS["FROM_FILE"], VERSIONED]


def test_the_container_gets_the_values(agent, deployed):
    """Interpolated values, values in the middle of others, and env files arrive as written."""
    container = next(iter(agent.owned.containers("secretive").values()))
    env = engine.get(f"/containers/{container['Id']}/json")["Config"]["Env"]
    assert f"TOKEN={SECRETS['TOKEN']}" in env
    assert f"MULTI=postgres://u:{VERSIONED}@db" in env
    assert f"FROM_FILE={SECRETS['FROM_FILE']}" in env
    assert "VERSION=1" in env


def test_no_file_holds_a_value_in_the_clear(agent, deployed):
    """Nothing below the data directory contains a secret: the record has it sealed."""
    files = [path for path in agent.data_dir.rglob("*") if path.is_file()]
    assert any(path.name == "compose.yaml" for path in files)
    for path in [*files, agent.log]:
        data = path.read_bytes()
        for needle in needles():
            assert needle.encode() not in data, path


def test_a_value_in_another_key_is_in_the_compose_file_alone(agent, deployed):
    """A label reaches the container; beside the file that Compose reads nothing has it."""
    container = next(iter(agent.owned.containers("secretive").values()))
    labels = engine.get(f"/containers/{container['Id']}/json")["Config"]["Labels"]
    assert labels["note"] == LABELLED
    files = [path for path in agent.data_dir.rglob("*") if path.is_file()]
    holding = [path.name for path in (*files, agent.log) if LABELLED.encode() in path.read_bytes()]
    assert holding == ["compose.yaml"]
    assert LABELLED not in "\n".join(deployed.events)
    assert LABELLED.encode() not in b"\n".join(deployed.argv)


def test_the_record_holds_sealed_values(agent, deployed):
    """The database keeps the app's secrets, and a spec that a variable may be in, encrypted."""
    with sqlite3.connect(f"file:{agent.data_dir / 'state.db'}?mode=ro", uri=True) as db:
        query = "SELECT typeof(spec), typeof(secrets) FROM releases WHERE app = 'secretive'"
        kinds = db.execute(query).fetchall()
    db.close()
    assert set(kinds) == {("blob", "blob")}


def test_files_are_for_the_owner_alone(agent, deployed):
    """No file that matters is readable by others, whatever the umask."""
    private = ["state.db", "secret.key", "apps/secretive/compose.yaml", "ca/root.key", "agent.sock"]
    for name in private:
        assert (agent.data_dir / name).stat().st_mode & 0o077 == 0, name
    assert agent.data_dir.stat().st_mode & 0o077 == 0


def test_no_event_answer_or_command_line_shows_a_value(agent, deployed):
    """Neither events, nor any answer of the API, nor any process's arguments."""
    answers = [
        str(agent.api("GET", path))
        for path in ("/v1/apps", "/v1/apps/secretive", "/v1/apps/secretive/releases")
    ]
    shown = "\n".join([*deployed.events, *answers])
    arguments = b"\n".join(deployed.argv)
    assert b"compose" in arguments
    for needle in needles():
        assert needle not in shown
        assert needle.encode() not in arguments


def test_a_secret_value_is_not_repeated_in_an_error(agent):
    """A value that makes a file invalid is not printed."""
    text = '{name: leaky, image: "${REFERENCE}", domain: leaky.localhost}'
    path = agent.data_dir.parent / "leaky.yml"
    path.write_text(text)
    said = agent.cove("deploy", str(path), "--json", REFERENCE="UPPER-secret value")
    assert said.code == 2
    assert "UPPER-secret" not in said.out + said.err


def test_a_rollback_brings_the_secrets_of_its_release(agent, images, deployed):
    """The values a release had come back with it."""
    text = app_file("secretive", images.hello, environment={"TOKEN": "${TOKEN}"})
    agent.deploy(text, variables={"TOKEN": "another-value"}).expect("live")
    agent.act("secretive", "rollback").expect("live")
    container = next(iter(agent.owned.containers("secretive").values()))
    env = engine.get(f"/containers/{container['Id']}/json")["Config"]["Env"]
    assert f"TOKEN={SECRETS['TOKEN']}" in env
