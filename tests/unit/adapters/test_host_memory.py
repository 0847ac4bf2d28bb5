from __future__ import annotations

import pytest

from cove.adapters.host import memory


def paths(membership: str) -> list[str]:
    """The usage files that would be looked for."""
    return [str(files.usage) for files in memory.cgroup_files(membership)]


def test_available_memory_is_given_in_bytes():
    """The kernel's kB are KiB."""
    assert memory.available("MemTotal:  2048 kB\nMemAvailable:    1024 kB\n") == 1_048_576


def test_a_kernel_without_the_figure_is_refused():
    """Nothing is guessed from the free pages."""
    with pytest.raises(ValueError, match="MemAvailable"):
        memory.available("MemTotal: 2048 kB\n")


def test_version_2_is_found():
    """One line, no controllers: the unified hierarchy."""
    assert paths("0::/system.slice/docker-ab.scope\n") == [
        "system.slice/docker-ab.scope/memory.current"
    ]


def test_version_1_is_found_before_an_empty_version_2():
    """On a hybrid machine the memory controller is in version 1."""
    text = "9:name=systemd:/docker/ab\n4:memory:/docker/ab\n0::/docker/ab\n"
    assert paths(text) == [
        "memory/docker/ab/memory.usage_in_bytes",
        "docker/ab/memory.current",
    ]


def test_controllers_mounted_together_are_found():
    """`memory` may share its line."""
    assert paths("4:cpu,memory:/docker/ab\n") == ["memory/docker/ab/memory.usage_in_bytes"]


@pytest.mark.parametrize("text", ["", "4:memory:/\n0::/\n", "0::/../../other\n", "nonsense\n"])
def test_an_unusable_membership_leads_nowhere(text):
    """The root cgroup is the whole machine, and one outside our namespace has no path."""
    assert paths(text) == []


def test_unused_file_cache_is_no_working_set():
    """What the kernel would drop first does not count as used."""
    stat = "inactive_file 100\ntotal_inactive_file 300\n"
    assert memory.working_set("1000\n", stat, "total_inactive_file") == 700
    assert memory.working_set("1000\n", stat, "inactive_file") == 900


def test_the_working_set_is_never_negative():
    """The two figures are read one after the other."""
    assert memory.working_set("100", "inactive_file 200\n", "inactive_file") == 0


def test_without_statistics_all_usage_counts():
    """A cgroup that vanishes between two reads still gives a figure."""
    assert memory.working_set("100", "", "inactive_file") == 100
