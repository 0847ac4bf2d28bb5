from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from cove.cli import checks
from cove.cli.checks import Check
from cove.cli.options import Settings

from support.calling import Cove
from support.fake_agent import VERSION, FakeAgent, serving


@contextmanager
def engine(folder: Path, version: str) -> Iterator[Path]:
    """Something that answers as Docker Engine does."""
    fake = FakeAgent()
    fake.answers["GET", "/version"] = (200, {"Version": version} if version else {})
    with serving(fake, folder):
        yield folder / "agent.sock"


@pytest.mark.parametrize(
    ("version", "state", "said"),
    [
        ("20.10.24+dfsg1", "ok", "Docker Engine 20.10.24"),
        ("27.0.1", "ok", "Docker Engine 27.0.1"),
        ("19.03.15", "fail", "older than 20.10"),
        ("", "fail", "names no version"),
    ],
)
def test_docker_must_answer_and_be_new_enough(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str, said: str
) -> None:
    """The Engine's own word, not that of the client beside it."""
    with engine(data_dir, version) as socket:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        found = checks.docker()
    assert found.state == state
    assert said in found.what


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://192.0.2.1:2375"])
def test_a_docker_that_is_not_here_fails_with_a_way_to_mend(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """A missing socket, and one of another machine."""
    monkeypatch.setenv("DOCKER_HOST", host)
    found = checks.docker()
    assert found.state == "fail"
    assert found.mend


def test_room_on_the_disk_is_measured_where_the_data_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before the folder exists; under 1 GB is too little."""
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=999_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    found = checks.disk(tmp_path / "not" / "there")
    assert asked == [tmp_path]
    assert (found.state, found.what) == ("fail", "only 999.0 MB free")


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command installs them all."""
    monkeypatch.setattr(shutil, "which", lambda name, **_: None if name != "ip" else "/sbin/ip")
    found = checks.programs()
    assert (found.what, found.mend) == ("missing: nsenter, setpriv", "apt install util-linux")


def test_a_data_directory_that_does_not_exist_yet_is_fine(tmp_path: Path) -> None:
    """`cove up` makes it."""
    assert checks.data_dir(tmp_path / "new") == Check(
        name="data", state="ok", what=f"{tmp_path / 'new'} (to be created)"
    )


def test_a_taken_port_names_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is in the way, and how to go elsewhere."""

    def taken(_: int) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(checks, "_bind", taken)
    monkeypatch.setattr(checks, "_holder", lambda _: "nginx (pid 812)")
    found = checks.public_port(80, held=False)
    assert (found.state, found.what) == ("fail", "taken by nginx (pid 812)")
    assert "--http-port" in found.mend


def test_a_port_that_may_not_be_tried_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root nobody can tell."""

    def forbidden(_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(checks, "_bind", forbidden)
    assert checks.public_port(80, held=False).state == "warn"


@pytest.mark.parametrize(("holder", "state"), [("traefik (pid 9)", "ok"), ("", "fail")])
def test_a_running_agents_ports_must_be_held(
    monkeypatch: pytest.MonkeyPatch, holder: str, state: str
) -> None:
    """With an agent up, a free port means that the proxy is not there."""
    monkeypatch.setattr(checks, "_holder", lambda _: holder)
    assert checks.public_port(80, held=True).state == state


def found(settings: Settings, agent: dict[str, object] | None) -> dict[str, Check]:
    """The platform's checks by name."""
    return {check.name: check for check in checks.platform_checks(settings, agent)}


def test_without_an_agent_that_is_only_a_warning(data_dir: Path) -> None:
    """A machine may be fit before anything runs."""
    (check,) = found(Settings(), None).values()
    assert (check.state, check.mend) == ("warn", "cove up -d")


def test_a_proxy_that_is_not_ready_fails_with_its_problem(data_dir: Path, agent: FakeAgent) -> None:
    """The agent knows why."""
    proxy = {"version": "", "state": "down", "problem": "port 80 is taken"}
    check = found(Settings(), {**VERSION, "proxy": proxy})["proxy"]
    assert (check.state, check.what) == ("fail", "port 80 is taken")


def test_an_authority_nobody_trusts_is_a_warning(data_dir: Path, agent: FakeAgent) -> None:
    """With the command that changes it; and no word where there is none."""
    agent.answers["GET", "/v1/certs"] = (200, {"certs": [], "ca": {"pem": "x", "trusted": False}})
    assert found(Settings(), VERSION)["local CA"].mend == "cove certs trust"
    agent.answers["GET", "/v1/certs"] = (200, {"certs": [], "ca": None})
    assert "local CA" not in found(Settings(), VERSION)


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_fails_only_where_something_stands_in_the_way(
    cove: Cove, monkeypatch: pytest.MonkeyPatch, state: checks.State, code: int
) -> None:
    """A warning is no failure; --json has every check."""
    check = Check(name="docker", state=state, what="so it is", mend="do this")
    monkeypatch.setattr("cove.cli.commands.doctor.all_checks", lambda *_: [check])
    assert cove("doctor") == code
    assert "so it is" in cove.out
    assert "do this" in cove.out
    assert cove("doctor", "--json") == code
    assert cove.answer["ok"] is (code == 0)
    assert cove.answer["checks"][0]["state"] == state
