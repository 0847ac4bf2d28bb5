"""Files that mean harm are refused in their place, or load into what is harmless."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cove.appfile import references
from cove.appfile.keys import POWERS
from cove.model.app import App
from cove.render.compose import FILES_DIR, compose_document
from cove.render.naming import Naming

from support.appfile import app, problems
from support.hostile_case import FOLDER, Hostile
from support.hostile_files import CASES
from support.releases import release

REFUSED = [case for case in CASES if case.place is not None]
HARMLESS = [case for case in CASES if case.place is None]
# What these keys may hold without a grant.
FREE: dict[str, Any] = {
    "privileged": [False],
    "ipc": ["private"],
    "cgroup": ["private"],
    "network_mode": ["none"],
    "cap_add": [["CHOWN", "SETUID"]],
    "security_opt": [["no-new-privileges:true"]],
}
NAMING = Naming("cove")


def reason(case: Hostile) -> str:
    """A test's id."""
    return re.sub(r"[^a-z0-9]+", "-", case.reason.lower()).strip("-")[:60]


def given(case: Hostile) -> dict[str, Any]:
    """What the case is read with: the app is called shop, and its folder is known."""
    return {
        "name": "shop/compose.yml",
        "variables": case.variables,
        "files": case.files,
        "env_files": case.files,
        "folder": FOLDER,
        "granted": case.granted,
    }


@pytest.mark.parametrize("case", REFUSED, ids=reason)
def test_it_is_refused_in_its_place(case: Hostile) -> None:
    """One of the findings names the line, the key and the reason."""
    assert case.place is not None
    line, path = case.place
    start = re.compile(rf"shop/compose\.yml:{line}:\d+: {re.escape(f'{path}: ' if path else '')}")
    found = problems(case.text, **given(case))
    assert [text for text in found if start.match(text) and case.words in text], found


@pytest.mark.parametrize("case", REFUSED, ids=reason)
def test_no_finding_repeats_what_a_variable_held(case: Hostile) -> None:
    """Values from outside the file may be secret."""
    found = "\n".join(problems(case.text, **given(case)))
    values = [value for value in case.variables.values() if len(value) > 4]  # others are words
    assert not [v for v in values if v in found and v not in case.text and v != "/root"]


@pytest.mark.parametrize("case", HARMLESS, ids=reason)
def test_what_loads_has_no_power(case: Hostile) -> None:
    """Neither does the model hold any, nor the Compose file that is made of it."""
    found = app(case.text, **given(case))
    check_model(found)
    check_document(found)


def check_model(found: App) -> None:
    """The app uses no power, and nothing but what is its own."""
    assert found.powers == ()
    assert all(mount.kind != "bind" for s in found.services for mount in s.mounts)
    assert not [n for n in found.networks if n.external]
    assert not [v for v in found.volumes if v.external]
    for service in found.services:
        for key in service.options.keys() & POWERS.keys():
            assert service.options[key] in FREE[key]


def check_document(found: App) -> None:
    """What Compose is given names the app's own volumes and network, and lets nothing be read."""
    whole = release(1, found)
    companions = {service.name: whole for service in found.companions()}
    document = compose_document(found.name, [whole], companions, NAMING)
    own = f"cove-{found.name}"
    assert set(document) <= {"name", "services", "networks", "volumes", "configs", "secrets"}
    for volume in document.get("volumes", {}).values():
        assert volume["name"].startswith(f"{own}_")
        assert set(volume) <= {"name", "labels", "external"}
    for network in document["networks"].values():
        assert network["name"].startswith(own)
    for service in document["services"].values():
        mounts = [m for m in service["volumes"] if m["type"] not in ("volume", "tmpfs")]
        assert all(m["source"].startswith(f"./{FILES_DIR}/") for m in mounts)
        assert all(service[key] in FREE[key] for key in service.keys() & POWERS.keys())
        assert not {"build", "provider", "extends", "env_file"} & set(service)
        assert service["container_name"].startswith(f"{own}.")
    for text in strings(document):
        bare = re.sub(r"\$\$|\$\{COVE_[A-Z0-9_]+\}", "", text)
        assert "$" not in bare, f"Compose would fill in {text!r}"


def strings(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in strings(item)]


@pytest.mark.parametrize("case", CASES, ids=reason)
def test_a_client_is_not_led_out_of_the_folder(case: Hostile) -> None:
    """Whatever a file names, nothing outside its folder is asked for."""
    wanted = references(case.text)
    for path in (*wanted.env_files, *wanted.files):
        assert not path.startswith(("/", "~"))
        assert ".." not in path.split("/")


def test_there_are_many() -> None:
    """Each with a reason of its own."""
    assert len(CASES) > 250
    assert len({(case.reason, case.text) for case in CASES}) == len(CASES)
