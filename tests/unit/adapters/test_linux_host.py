from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cove.adapters.host import LinuxHost
from cove.adapters.host.addresses import Completed
from cove.errors import PlatformError
from cove.ports import Listener

PID = 812
HARDWARE = "02:42:0a:01:01:05"
INTRODUCED = (
    *("replace", "10.1.1.9", "lladdr", HARDWARE),
    *("dev", "br-7", "nud", "reachable"),
)
NOTHING = Completed(0, b"", "")
HEADER = "  sl  local_address rem_address st\n"
LISTENING = "   0: 00000000:0050 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n"
DIALLING = "   1: 0100000A:A94E 0501010A:1F90 02 0:0 0:0 0 0 0 99 1\n"


class Commands:
    """Stands in for nsenter and ip: a container with one interface, and what was run in it."""

    def __init__(self, *addresses: str, change: Completed = NOTHING) -> None:
        self.addresses = list(addresses)
        self.change = change
        self.changes: list[tuple[str, ...]] = []
        self.neighbours: list[tuple[str, ...]] = []

    async def __call__(self, argv: Sequence[str]) -> Completed:
        match list(argv):
            case ["nsenter", "-t", "812", "-n", "--", "ip", "-j", "addr", "show"]:
                return Completed(0, self._show(), "")
            case ["nsenter", "-t", "812", "-n", "--", "ip", "addr", *change]:
                self.changes.append(tuple(change))
                return self.change
            case ["ip", "-j", "route", "get", _]:
                return Completed(0, b'[{"dev": "br-7"}]', "")
            case ["ip", "neigh", *change]:
                self.neighbours.append(tuple(change))
                return NOTHING
        raise AssertionError(argv)

    def _show(self) -> bytes:
        held = [a.split("/") for a in self.addresses]
        info = [{"local": a, "prefixlen": int(p)} for a, p in held]
        lo = {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]}
        return json.dumps(
            [lo, {}, {"ifname": "eth7", "address": HARDWARE, "addr_info": info}]
        ).encode()


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A process in its own network, another in the machine's, and the machine's own files."""
    for pid, network in (("self", "net:[1]"), ("1", "net:[1]"), (str(PID), "net:[2]")):
        folder = tmp_path / pid
        for part in ("ns", "fd", "net"):
            (folder / part).mkdir(parents=True)
        (folder / "ns" / "net").symlink_to(network)
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(HEADER + LISTENING + DIALLING)
    (tmp_path / "meminfo").write_text("MemAvailable: 2 kB\n")
    return tmp_path


def host(proc: Path, run: Commands | None = None) -> LinuxHost:
    """The machine of the fixture."""
    return LinuxHost(proc, proc / "cgroup", run or Commands("10.1.1.5/26"))


def test_a_held_request_that_dials_counts_as_open(proc):
    """Both families are read, and a missing second table is no error."""
    assert host(proc).connections([("10.1.1.5", 8080), ("10.1.1.6", 8080)]) == 1


def test_no_endpoints_have_no_connections(proc):
    """An app without routes drains at once."""
    assert host(proc).connections([]) == 0


def test_unreadable_connections_are_an_error(tmp_path):
    """A drain must not take an unreadable table for an empty one."""
    with pytest.raises(PlatformError) as caught:
        host(tmp_path).connections([("10.1.1.5", 8080)])
    assert caught.value.specific_code == "host-facts"


def test_listeners_are_those_of_the_process(proc):
    """The table of the process's own network is read, not this machine's."""
    (proc / str(PID) / "net" / "tcp").write_text(HEADER + LISTENING.replace("0050", "1F90"))
    assert host(proc).listeners(PID) == (Listener("0.0.0.0", 8080),)


def test_a_process_that_ended_has_no_listeners(proc):
    """Between two looks a container may be gone."""
    assert host(proc).listeners(4) == ()


def test_free_disk_is_what_a_plain_process_could_write(tmp_path):
    """A positive figure for a real path; an error that names a path that is not there."""
    assert LinuxHost().disk_free(str(tmp_path)) > 0
    with pytest.raises(PlatformError, match="absent"):
        LinuxHost().disk_free(str(tmp_path / "absent"))


def test_available_memory_comes_from_meminfo(proc):
    """In bytes; an error when the kernel does not say."""
    assert host(proc).memory_available() == 2048
    (proc / "meminfo").write_text("")
    with pytest.raises(PlatformError, match="memory"):
        host(proc).memory_available()


def test_used_memory_comes_from_whichever_cgroup_has_it(proc):
    """Version 1 is named first here but not mounted, so version 2 answers."""
    (proc / str(PID) / "cgroup").write_text("4:memory:/a\n0::/a\n")
    (proc / "cgroup" / "a").mkdir(parents=True)
    (proc / "cgroup" / "a" / "memory.current").write_text("900\n")
    (proc / "cgroup" / "a" / "memory.stat").write_text("anon 1\ninactive_file 300\n")
    assert host(proc).memory_used(PID) == 600


def test_unknown_memory_is_zero(proc):
    """A process without a readable cgroup has no figure."""
    assert host(proc).memory_used(PID) == 0


async def test_an_address_goes_beside_the_one_of_the_same_network(proc):
    """The interface is the one with an address in that network, and the host learns of it."""
    run = Commands("172.17.0.2/16", "10.1.1.5/26")
    await host(proc, run).add_address(PID, "10.1.1.9", 26)
    assert run.changes == [("add", "10.1.1.9/26", "dev", "eth7")]
    assert run.neighbours == [INTRODUCED]


async def test_an_address_that_is_present_is_left_alone(proc):
    """Adding twice is fine, and the host learns of it all the same."""
    run = Commands("10.1.1.5/26", "10.1.1.9/26")
    await host(proc, run).add_address(PID, "10.1.1.9", 26)
    assert run.changes == []
    assert run.neighbours == [INTRODUCED]


async def test_an_address_added_by_another_meanwhile_is_fine(proc):
    """What counts is that it is there, not who put it there."""
    run = Commands("10.1.1.5/26")

    async def racing(argv: Sequence[str]) -> Completed:
        if "add" in argv:
            run.addresses.append("10.1.1.9/26")
            return Completed(2, b"", "RTNETLINK answers: File exists")
        return await run(argv)

    await LinuxHost(proc, proc, racing).add_address(PID, "10.1.1.9", 26)
    assert run.neighbours == [INTRODUCED]


async def test_a_refused_address_is_an_error_with_the_reason(proc):
    """The kernel's words reach the person."""
    run = Commands("10.1.1.5/26", change=Completed(2, b"", "Operation not permitted"))
    with pytest.raises(PlatformError, match="Operation not permitted") as caught:
        await host(proc, run).add_address(PID, "10.1.1.9", 26)
    assert caught.value.specific_code == "hold-address"


async def test_an_address_of_no_network_of_the_container_is_refused(proc):
    """Without an interface in that network nothing would reach it."""
    run = Commands("172.17.0.2/16")
    with pytest.raises(PlatformError, match=r"no interface in the network of 10\.1\.1\.9"):
        await host(proc, run).add_address(PID, "10.1.1.9", 26)


async def test_an_address_is_taken_away_where_it_is(proc):
    """Removal names the interface that has it."""
    run = Commands("10.1.1.5/26", "10.1.1.9/26")
    await host(proc, run).remove_address(PID, "10.1.1.9", 26)
    assert run.changes == [("del", "10.1.1.9/26", "dev", "eth7")]
    ((verb, *rest),) = run.neighbours
    assert (verb, *rest[:2]) == ("flush", "to", "10.1.1.9")
    assert "incomplete" not in rest  # would fail the connections that wait


@pytest.mark.parametrize("pid", [PID, 4, 0], ids=["absent", "ended", "never started"])
async def test_removing_what_is_not_there_is_fine(proc, pid):
    """An absent address and an ended container need nothing."""
    run = Commands("10.1.1.5/26")
    await host(proc, run).remove_address(pid, "10.1.1.9", 26)
    assert run.changes == []


@pytest.mark.parametrize("pid", [4, 0], ids=["ended", "never started"])
async def test_an_ended_container_gets_no_address(proc, pid):
    """The error says so, rather than what nsenter makes of it."""
    with pytest.raises(PlatformError, match="has ended"):
        await host(proc).add_address(pid, "10.1.1.9", 26)


async def test_this_machine_never_gets_the_address(proc):
    """A container on the host's network must not change the host's addresses."""
    run = Commands("10.1.1.5/26", "10.1.1.9/26")
    for act in (host(proc, run).add_address, host(proc, run).remove_address):
        with pytest.raises(PlatformError, match="shares this machine's network"):
            await act(1, "10.1.1.9", 26)
    assert run.changes == []


@pytest.mark.parametrize(
    ("address", "prefix"), [("web", 26), ("-j", 26), ("10.1.1.9", 33), ("10.1.1.9", 0)]
)
async def test_what_is_no_address_reaches_no_command(proc, address, prefix):
    """Arguments are checked before anything runs."""
    run = Commands("10.1.1.5/26")
    with pytest.raises(PlatformError) as caught:
        await host(proc, run).add_address(PID, address, prefix)
    assert caught.value.specific_code == "hold-address"
    assert run.changes == []


@pytest.mark.parametrize(("missing", "package"), [("nsenter", "util-linux"), ("ip", "iproute2")])
async def test_a_missing_program_is_named_with_its_package(
    proc, tmp_path, monkeypatch, missing, package
):
    """The hint says what to install."""
    path = tmp_path / "bin"
    path.mkdir()
    if missing == "ip":  # as nsenter ends when it cannot run the program
        (path / "nsenter").write_text("#!/bin/sh\nexit 127\n")
        (path / "nsenter").chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    with pytest.raises(PlatformError, match=f"{missing} is not installed") as caught:
        await LinuxHost(proc, proc).add_address(PID, "10.1.1.9", 26)
    assert (caught.value.specific_code, caught.value.hint) == ("hold-address", f"install {package}")


def test_the_holder_of_a_port_is_named(proc):
    """The oldest of the processes that share the socket, by its command name."""
    for pid, name in ((900, "nginx"), (PID, "nginx\x1b[2J")):
        (proc / str(pid) / "fd").mkdir(parents=True, exist_ok=True)
        (proc / str(pid) / "comm").write_text(f"{name}\n")
        (proc / str(pid) / "fd" / "3").symlink_to("socket:[4711]")
    assert host(proc).port_holder(80) == "nginx?[2J (pid 812)"


def test_an_unidentified_holder_is_still_reported(proc):
    """A socket no visible process has, such as one of another container's."""
    assert host(proc).port_holder(80) == "another process"


def test_a_free_port_has_no_holder(proc):
    """Nobody listens there."""
    assert host(proc).port_holder(81) == ""
