"""The kernel's counters, read from recorded trees of both versions of cgroups."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cove.adapters.host import HostMeters
from cove.errors import PlatformError
from cove.ports.metrics import ContainerUsage, Subject

from support.cgroup_trees import ID, PID, record

SUBJECT = Subject(id=ID, app="shop", service="web", name="web-r1", pid=PID)
SEEN = ContainerUsage(
    cpu=12_345_678,
    throttled=7_000_000,
    cpu_limit=250,
    memory=42_000_000,
    memory_limit=67_108_864,
    swap=4096,
    oom_kills=3,
    read=1000,
    written=2000,
    processes=7,
    received=123_456,
    sent=654_321,
)


@pytest.fixture(params=[1, 2])
def trees(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """/proc and the cgroups of one version."""
    return record(tmp_path, request.param)


@pytest.fixture
def meters(trees: tuple[Path, Path], tmp_path: Path) -> Iterator[HostMeters]:
    """Meters of the recorded machine."""
    meters = HostMeters((tmp_path, tmp_path / "proc", Path("/absent")), *trees)
    yield meters
    meters.close()


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_container(meters):
    """Both versions tell the same of the same container."""
    assert meters.attach(SUBJECT)
    for _ in range(2):
        assert meters.container(ID) == SEEN


def test_no_limits(meters, tmp_path):
    """Whatever a version writes for none means none."""
    for name, text in (
        ("cpu.cfs_quota_us", "-1\n"),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("cpu.max", "max 100000\n"),
        ("memory.max", "max\n"),
    ):
        for path in tmp_path.rglob(name):
            path.write_text(text)
    assert meters.attach(SUBJECT)
    assert meters.container(ID) == replace(SEEN, cpu_limit=0, memory_limit=0)


def test_controllers_that_are_missing(meters, tmp_path):
    """What a kernel does not tell is nothing, and the rest is told."""
    for name in ("pids.current", "memory.oom_control", "memory.events", "io.stat"):
        for path in tmp_path.rglob(name):
            path.unlink()
    for path in tmp_path.rglob("blkio.*"):
        path.unlink()
    assert meters.attach(SUBJECT)
    assert meters.container(ID) == replace(SEEN, oom_kills=0, processes=0, read=0, written=0)


def test_files_stay_open_until_the_container_is_let_go(meters):
    """Attaching twice opens nothing twice; what is let go leaves no file open."""
    before = open_files()
    assert meters.attach(SUBJECT)
    once = open_files()
    assert once > before
    assert meters.attach(SUBJECT)
    assert open_files() == once
    meters.keep({ID})
    assert meters.container(ID)
    meters.keep(set())
    assert meters.container(ID) is None
    assert open_files() == before


def test_a_container_that_is_not_there(meters, tmp_path):
    """Neither a process that ended nor a cgroup that is gone can be attached."""
    before = open_files()
    assert not meters.attach(replace(SUBJECT, pid=0))
    assert not meters.attach(replace(SUBJECT, pid=1))
    shutil.rmtree(tmp_path / "cgroup")
    assert not meters.attach(SUBJECT)
    assert open_files() == before


def test_a_network_that_is_shared_counts_once(meters, tmp_path):
    """What is in the machine's own network, or in another container's, has no bytes of its own."""
    assert meters.attach(SUBJECT)
    beside = replace(SUBJECT, id="beside")
    assert meters.attach(beside)
    assert meters.container("beside") == replace(SEEN, received=0, sent=0)
    link = tmp_path / f"proc/{PID}/ns/net"
    link.unlink()
    link.symlink_to("net:[1]")
    assert meters.attach(SUBJECT)
    assert meters.container(ID) == replace(SEEN, received=0, sent=0)


def test_the_machine(meters):
    """Cards and disks count once, whatever is built of them."""
    unit, page = 1_000_000 // os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = meters.machine()
    assert (found.cores, found.cpu, found.iowait, found.steal) == (
        2, 2950 * unit, 250 * unit, 30 * unit,
    )  # fmt: skip
    assert (found.memory_total, found.memory) == (1_024_000_000, 409_600_000)
    assert (found.swap_total, found.swap) == (512_000_000, 102_400_000)
    assert (found.swapped_in, found.swapped_out, found.oom_kills) == (10 * page, 20 * page, 54)
    assert (found.received, found.sent, found.load) == (123_456, 654_321, 1.25)
    assert (found.disk_read, found.disk_written) == (202 * 512, 404 * 512)
    assert found.disk_busy == {"vda": 70_000, "nvme0n1": 5000}
    assert (found.cpu_pressure, found.memory_pressure, found.io_pressure) == (111, 222, 333)


def test_a_kernel_that_tells_less(meters, tmp_path):
    """Without pressure, swap or disks there is still the rest."""
    for name in ("pressure", "diskstats", "vmstat"):
        path = tmp_path / "proc" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = meters.machine()
    assert (found.cpu_pressure, found.disk_busy, found.oom_kills) == (0, {}, 0)
    assert found.memory


def test_a_machine_that_tells_nothing(meters, tmp_path):
    """That is said in cove's words."""
    shutil.rmtree(tmp_path / "proc")
    with pytest.raises(PlatformError) as caught:
        meters.machine()
    assert caught.value.specific_code == "host-facts"


def test_file_systems_are_told_once(meters, tmp_path):
    """Paths on one file system are one; a path that is not there is left out."""
    (found,) = meters.file_systems()
    assert found.path == str(tmp_path)
    assert 0 < found.used <= found.size
    assert 0 <= found.inodes <= 1000


def test_the_process_itself(meters):
    """Its name may hold anything, brackets too."""
    unit, page = 1_000_000 // os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    own = meters.own()
    assert (own.cpu, own.memory, own.processes) == (500 * unit, 1200 * page, 5)
