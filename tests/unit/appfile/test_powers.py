"""How powers are spelled, and which includes which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.errors import InvalidFile
from cove.model.powers import KINDS, Power, covers, for_bind, missing, parse, spelled


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("privileged", Power("privileged")),
        ("docker-socket", Power("docker-socket")),
        ("host-bind=/srv/data", Power("host-bind", "/srv/data")),
        ("host-bind=/srv//data/", Power("host-bind", "/srv/data")),
        ("host-bind=/srv/data:ro", Power("host-bind", "/srv/data", read_only=True)),
        ("host-bind=/", Power("host-bind", "/")),
        ("host-bind=/with space", Power("host-bind", "/with space")),
        ("cap=NET_ADMIN", Power("cap", "NET_ADMIN")),
        ("cap=CAP_NET_ADMIN", Power("cap", "NET_ADMIN")),
        ("cap=net_admin", Power("cap", "NET_ADMIN")),
        ("device=/dev/dri/", Power("device", "/dev/dri")),
        ("pid=host", Power("pid", "host")),
        ("security-opt=seccomp=unconfined", Power("security-opt", "seccomp=unconfined")),
        ("sysctl=net.core.somaxconn", Power("sysctl", "net.core.somaxconn")),
        ("external-network=monitoring", Power("external-network", "monitoring")),
        ("ulimit=rtprio", Power("ulimit", "rtprio")),
    ],
)
def test_a_power_is_read_into_its_one_spelling(text: str, power: Power) -> None:
    """What is recorded can be read again."""
    assert parse(text) == power
    assert parse(str(power)) == power


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is none"),
        ("privilged", "did you mean privileged?"),
        ("hostbind=/srv", "did you mean host-bind?"),
        ("privileged=true", "takes no value"),
        ("docker-socket=", "takes no value"),
        ("host-bind", "it reads host-bind=PATH[:ro]"),
        ("host-bind=srv", "it reads host-bind=PATH[:ro]"),
        ("host-bind=/srv/../etc", "it reads host-bind=PATH[:ro]"),
        ("host-bind=/a:/b", "it reads host-bind=PATH[:ro]"),
        ("host-bind=/a\n", "it reads host-bind=PATH[:ro]"),
        ("host-bind=/a:rw", "it reads host-bind=PATH[:ro]"),
        ("device=/etc/passwd", "it reads device=PATH"),
        ("device=/dev/../etc", "it reads device=PATH"),
        ("device=/dev", "it reads device=PATH"),
        ("cap=", "it reads cap=NAME"),
        ("cap=NET ADMIN", "it reads cap=NAME"),
        ("pid=service:x", "it reads pid=host"),
        ("external-network=../x", "it reads external-network=NAME"),
        ("ulimit=nofile", "it reads ulimit=NAME"),
        ("sysctl=x", "it reads sysctl=NAME"),
    ],
)
def test_what_is_no_power_says_what_would_be_one(text: str, words: str) -> None:
    """The nearest name, or how the one that was meant is written."""
    with pytest.raises(InvalidFile, match="is no power") as caught:
        parse(text)
    assert words in str(caught.value)
    assert caught.value.specific_code == "bad-power"


@pytest.mark.parametrize(
    ("granted", "wanted", "does"),
    [
        ("privileged", "privileged", True),
        ("privileged", "cap=SYS_ADMIN", False),
        ("privileged", "host-bind=/srv", False),
        ("cap=ALL", "cap=SYS_ADMIN", True),
        ("cap=SYS_ADMIN", "cap=ALL", False),
        ("host-bind=/srv", "host-bind=/srv", True),
        ("host-bind=/srv", "host-bind=/srv/a/b", True),
        ("host-bind=/srv", "host-bind=/srv:ro", True),
        ("host-bind=/srv:ro", "host-bind=/srv/a:ro", True),
        ("host-bind=/srv:ro", "host-bind=/srv/a", False),
        ("host-bind=/srv", "host-bind=/srv2", False),
        ("host-bind=/srv/a", "host-bind=/srv", False),
        ("host-bind=/", "host-bind=/etc", True),
        ("host-bind=/", "docker-socket", False),
        ("device=/dev/dri", "device=/dev/dri/card0", True),
        ("device=/dev/dri", "device=/dev/drivel", False),
        ("pid=host", "ipc=host", False),
        ("security-opt=seccomp=unconfined", "security-opt=apparmor=unconfined", False),
        ("nonsense", "privileged", False),
        ("privileged", "nonsense", False),
        ("nonsense", "nonsense", False),
    ],
)
def test_a_power_includes_what_is_below_it_and_nothing_else(
    granted: str, wanted: str, does: bool
) -> None:
    """Least of all does a folder include Docker's socket."""
    assert covers([granted], wanted) is does
    assert missing([granted], [wanted]) == (() if does else (wanted,))


@pytest.mark.parametrize(
    ("path", "powers"),
    [
        ("/srv/data", ("host-bind=/srv/data",)),
        ("/srv/../etc/", ("host-bind=/etc",)),
        ("/var/run/docker.sock", ("docker-socket",)),
        ("/anywhere/docker.sock", ("docker-socket",)),
        ("/run", ("docker-socket", "host-bind=/run")),
        ("/var/run", ("docker-socket", "host-bind=/var/run")),
        ("/", ("docker-socket", "host-bind=/")),
        ("/runner", ("host-bind=/runner",)),
    ],
)
def test_a_path_of_the_host_takes_powers(path: str, powers: tuple[str, ...]) -> None:
    """A folder that has the socket of Docker in it takes the power of the socket too."""
    assert for_bind(path, read_only=False) == powers


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_comparison(granted: str, wanted: str) -> None:
    """Whatever the database holds, the answer is yes or no."""
    assert covers([granted], wanted) in {True, False}
    for kind in KINDS:
        assert not covers([f"{kind}={granted}"], "docker-socket")


@pytest.mark.parametrize("kind", KINDS)
def test_every_power_is_explained(kind: str) -> None:
    """One line for the help and the reference, without a full stop."""
    assert KINDS[kind].text[-1] not in ".!"
    assert spelled(kind).startswith(kind)
