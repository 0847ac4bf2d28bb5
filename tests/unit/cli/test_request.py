from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cove.cli import request
from cove.cli.request import Flags, collect
from cove.errors import InvalidFile

from support.calling import Cove
from support.fake_agent import FakeAgent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a known host and user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUDO_USER", "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    return tmp_path


def write(path: Path, text: str) -> str:
    """Writes a file; returns its path."""
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_is_sent_with_its_origin(folder: Path) -> None:
    """The text as it is, a name for messages, and where it came from."""
    path = write(folder / "shop.yml", "image: shop:1\n")
    assert collect("shop.yml", Flags()) == {
        "name": "shop.yml",
        "text": "image: shop:1\n",
        "origin": f"desk:{path}",
        "folder": str(folder),
        "env_files": {},
        "files": {},
        "variables": {},
        "by": "ann@desk",
    }


@pytest.mark.parametrize("name", ["cove.yml", "cove.yaml", "compose.yml", "docker-compose.yml"])
def test_a_file_named_like_any_other_is_shown_with_its_folder(folder: Path, name: str) -> None:
    """`cove.yml` says nothing; its folder does."""
    (folder / "shop").mkdir()
    write(folder / "shop" / name, "image: shop:1\n")
    assert collect(f"shop/{name}", Flags())["name"] == f"shop/{name}"
    assert collect("shop", Flags())["name"] == f"shop/{name}"


def test_the_default_is_the_cove_yml_here(folder: Path) -> None:
    """`cove deploy` alone deploys this folder."""
    write(folder / "cove.yml", "image: here:1\n")
    assert collect(None, Flags())["text"] == "image: here:1\n"


def test_without_anything_to_deploy_the_two_ways_are_told(folder: Path) -> None:
    """No file, no flags: a usage error with examples."""
    with pytest.raises(InvalidFile) as caught:
        collect(None, Flags())
    assert "--image nginx --domain" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8"),
        (lambda path: path.write_bytes(b"#" * 1_000_001), "more than 1 MB"),
        (lambda path: path.mkdir(), "no cove.yml"),
    ],
)
def test_what_is_no_app_file_is_refused_before_it_is_sent(
    folder: Path, make: object, said: str
) -> None:
    """Missing, binary, huge: each says so, with the file's name."""
    make(folder / "x.yml")  # type: ignore[operator]
    with pytest.raises(InvalidFile, match=said) as caught:
        collect("x.yml", Flags())
    assert caught.value.message.startswith("x.yml: ")


def test_a_file_of_just_a_megabyte_is_sent(folder: Path) -> None:
    """The limit itself is allowed."""
    write(folder / "x.yml", "#" * 1_000_000)
    assert len(collect("x.yml", Flags())["text"]) == 1_000_000


def test_stdin_is_a_file_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads stdin; --name names the app, as a file's name would."""
    stdin = SimpleNamespace(buffer=io.BytesIO(b"image: shop:1\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    found = collect("-", Flags(name="shop"))
    assert (found["name"], found["origin"]) == ("shop.yml", "desk:stdin")
    assert found["text"] == "image: shop:1\n"


def test_only_what_the_file_mentions_is_sent_along(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named variables and env files, nothing else of the caller's environment."""
    monkeypatch.setenv("TAG", "1.4")
    monkeypatch.setenv("OTHER", "private")
    write(folder / "web.env", "A=${FROM_ENV_FILE}\n")
    monkeypatch.setenv("FROM_ENV_FILE", "yes")
    write(folder / "shop.yml", "image: shop:${TAG}\nenv_file: [web.env, absent.env]\n")
    found = collect("shop.yml", Flags())
    assert found["variables"] == {"TAG": "1.4", "FROM_ENV_FILE": "yes"}
    assert found["env_files"] == {"web.env": "A=${FROM_ENV_FILE}\n"}


def test_env_files_are_found_from_the_files_own_folder(folder: Path) -> None:
    """Where the command was called from does not matter."""
    (folder / "shop").mkdir()
    write(folder / "shop" / "web.env", "A=1\n")
    write(folder / "shop" / "shop.yml", "image: shop\nenv_file: ./web.env\n")
    assert collect("shop/shop.yml", Flags())["env_files"] == {"./web.env": "A=1\n"}


def test_the_dotenv_beside_the_file_yields_to_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """.env fills in what the environment lacks, and only what the file names."""
    monkeypatch.setenv("TAG", "from-environment")
    monkeypatch.delenv("HOST", raising=False)
    write(folder / ".env", "TAG=from-file\nHOST='shop.example'\nOTHER=private\n")
    write(folder / "shop.yml", "image: shop:$TAG\ndomain: ${HOST}\n")
    assert collect("shop.yml", Flags())["variables"] == {
        "TAG": "from-environment",
        "HOST": "shop.example",
    }


def test_a_broken_dotenv_names_its_line(folder: Path) -> None:
    """The error leads to the line, and repeats no value."""
    write(folder / ".env", "A=1\n=hunter2\n")
    write(folder / "shop.yml", "image: ${NEEDED_FROM_DOTENV}\n")
    with pytest.raises(InvalidFile, match=r"^\.env:2: ") as caught:
        collect("shop.yml", Flags())
    assert "hunter2" not in caught.value.message


def test_a_file_that_is_no_yaml_is_for_the_agent_to_judge(folder: Path) -> None:
    """The CLI sends it; the agent's error has line and column."""
    write(folder / "shop.yml", "image: [\n")
    assert collect("shop.yml", Flags())["text"] == "image: [\n"


def test_flags_become_an_app_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag has its key, and no value can be mistaken for YAML or for a variable."""
    monkeypatch.setenv("TOKEN", "hunter2")
    flags = Flags(
        image="ghcr.io/acme/My_Shop:1.4",
        domains=("a.example", "b.example"),
        env=('QUOTED=a"b: #c', "PRICE=$5", "TOKEN", "EMPTY=", "MANY=a=b"),
        port=8000,
        health="/ok",
        volumes=("data:/data",),
    )
    found = collect(None, flags)
    assert yaml.safe_load(found["text"]) == {
        "name": "my-shop",
        "image": "ghcr.io/acme/My_Shop:1.4",
        "domain": ["a.example", "b.example"],
        "port": 8000,
        "health": "/ok",
        "volumes": ["data:/data"],
        "env": {
            "QUOTED": 'a"b: #c',
            "PRICE": "$$5",
            "TOKEN": "${TOKEN}",
            "EMPTY": "",
            "MANY": "a=b",
        },
    }
    assert found["variables"] == {"TOKEN": "hunter2"}
    assert "hunter2" not in found["text"]
    assert found["origin"] == "desk:command line"


@pytest.mark.parametrize(
    ("file", "flags", "said"),
    [
        ("x.yml", Flags(image="i", domains=("d",)), "not both"),
        (None, Flags(domains=("d",)), "--image is missing"),
        ("x.yml", Flags(port=80), "go with --image"),
        ("-", Flags(port=80), "only --name"),
        (None, Flags(image="i", env=("1A=x",)), "--env 1A"),
        (None, Flags(image="i", env=("NOT_SET_ANYWHERE",)), "no such variable"),
        (None, Flags(image="___"), "--name is missing"),
    ],
)
def test_flags_that_contradict_are_usage_errors(
    folder: Path, file: str | None, flags: Flags, said: str
) -> None:
    """What cannot be meant is said, before anything is sent."""
    with pytest.raises(InvalidFile, match=said):
        collect(file, flags)


def test_the_value_of_a_wrong_env_flag_is_not_repeated(folder: Path) -> None:
    """It may be a secret."""
    with pytest.raises(InvalidFile) as caught:
        collect(None, Flags(image="i", env=("not ok=hunter2",)))
    assert "hunter2" not in caught.value.message


def test_a_user_without_a_name_is_a_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user may have no entry; that is no reason to fail."""

    def nameless() -> str:
        raise KeyError

    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 1234)
    assert request.author() == "1234@desk"


def test_deploy_and_plan_send_the_same(cove: Cove, agent: FakeAgent) -> None:
    """A plan is asked for exactly what a deploy would send."""
    agent.answers["POST", "/v1/plan"] = (
        200,
        {"app": "shop", "release": 1, "release_now": 0, "operations": [], "notes": [], "urls": []},
    )
    words = ("--image", "shop:1", "--domain", "shop.example", "--env", "A=1")
    assert cove("plan", *words) == 0
    assert cove("deploy", *words, "--detach", "--why", "new", "--take-over") == 0
    (planned,) = agent.bodies("POST", "/v1/plan")
    (deployed,) = agent.bodies("POST", "/v1/rollouts")
    assert deployed == {**planned, "why": "new", "take_over": True}


COMPOSE = (
    "services: {web: {image: shop:1, env_file: web.env, environment: [A]}}\n"
    "x-cove: {tls: {cert: tls/a.crt, key: tls/a.key}}\n"
    "configs: {c: {file: ./conf/c.txt}}\nsecrets: {s: {environment: B}}\n"
)


def test_a_compose_file_is_sent_with_all_it_draws_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Env files of services, files of configs, variables of both; certificates that are there."""
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("B", "2")
    (folder / "conf").mkdir()
    write(folder / "conf" / "c.txt", "c")
    write(folder / "web.env", "X=$Y\n")
    (folder / "tls").mkdir()
    write(folder / "tls" / "a.crt", "a")
    monkeypatch.setenv("Y", "3")
    write(folder / "compose.yml", COMPOSE)
    found = collect("compose.yml", Flags())
    assert found["env_files"] == {"web.env": "X=$Y\n"}
    assert found["files"] == {"./conf/c.txt": "c", "tls/a.crt": "a"}
    assert found["variables"] == {"A": "1", "B": "2", "Y": "3"}
    assert found["folder"] == str(folder)


def test_an_agent_elsewhere_is_not_told_of_a_folder_here(folder: Path) -> None:
    """Paths that start there would mean something else on its machine."""
    write(folder / "shop.yml", "image: shop:1\n")
    assert collect("shop.yml", Flags(), local=False)["folder"] == ""


@pytest.mark.parametrize("name", ["web.env", "conf/c.txt", ".env", "tls/a.key"])
def test_a_link_out_of_the_folder_is_not_followed(folder: Path, name: str) -> None:
    """Whoever deploys a stranger's file shall not send their own."""
    (folder / "app" / "conf").mkdir(parents=True)
    (folder / "app" / "tls").mkdir()
    write(folder / "private", "A=secret\n")
    (folder / "app" / name).symlink_to(folder / "private")
    write(folder / "app" / "compose.yml", COMPOSE)
    with pytest.raises(InvalidFile, match="symbolic link leads out") as caught:
        collect("app/compose.yml", Flags())
    assert caught.value.specific_code == "outside-folder"


def test_a_certificate_elsewhere_is_not_read(folder: Path) -> None:
    """The agent refuses its path; nobody's key is sent for it."""
    write(folder / "private.key", "secret")
    (folder / "app").mkdir()
    text = f"image: shop:1\ntls: {{cert: {folder}/private.key, key: ../private.key}}\n"
    write(folder / "app" / "shop.yml", text)
    assert collect("app/shop.yml", Flags())["files"] == {}


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    """It shows nothing that is not there anyway."""
    write(folder / "real.env", "A=1\n")
    (folder / "web.env").symlink_to("real.env")
    write(folder / "shop.yml", "image: shop:1\nenv_file: web.env\n")
    assert collect("shop.yml", Flags())["env_files"] == {"web.env": "A=1\n"}
