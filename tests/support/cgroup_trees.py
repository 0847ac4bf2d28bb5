"""Trees of /proc and /sys/fs/cgroup, of both versions, for tests.

In the form that Linux 6.1 and Docker give them, with numbers that mean the same in both: a
container limited to a quarter of a core and 64 MiB, in which something had been killed for want of
memory.
"""

from __future__ import annotations

from pathlib import Path

ID = "9522571086c26cd228c4abf682b45075e419d04c2cfed3ed0e09c5e8ec7e9879"
PID = 4242
_NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo\
 colls carrier compressed
    lo:    9999      99    0    0    0     0          0         0     9999      99    0    0    0\
     0       0          0
  eth0:  123456     789    0    0    0     0          0         0   654321     987    0    0    0\
     0       0          0
"""
_V1_MEMBERSHIP = f"""\
12:pids:/docker/{ID}
11:blkio:/docker/{ID}
8:memory:/docker/{ID}
4:cpu,cpuacct:/docker/{ID}
1:name=systemd:/docker/{ID}
0::/docker/{ID}
"""
_V1 = {
    "cpu,cpuacct/cpuacct.usage": "12345678901\n",
    "cpu,cpuacct/cpu.stat": "nr_periods 500\nnr_throttled 400\nthrottled_time 7000000000\n",
    "cpu,cpuacct/cpu.cfs_quota_us": "25000\n",
    "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "memory/memory.usage_in_bytes": "50000000\n",
    "memory/memory.limit_in_bytes": "67108864\n",
    "memory/memory.stat": "cache 9000000\ninactive_file 1\ntotal_swap 4096\n"
    "total_inactive_file 8000000\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "254:0 Read 1000\n254:0 Write 2000\n"
    "254:0 Sync 3000\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 3000\nTotal 3000\n",
    "pids/pids.current": "7\n",
}
_V2_MEMBERSHIP = f"0::/system.slice/docker-{ID}.scope\n"
_V2 = {
    "cpu.stat": "usage_usec 12345678\nuser_usec 12000000\nsystem_usec 345678\nnr_periods 500\n"
    "nr_throttled 400\nthrottled_usec 7000000\nnr_bursts 0\nburst_usec 0\n",
    "cpu.max": "25000 100000\n",
    "memory.current": "50000000\n",
    "memory.max": "67108864\n",
    "memory.stat": "anon 40000000\nfile 9000000\ninactive_file 8000000\nactive_file 1000000\n",
    "memory.swap.current": "4096\n",
    "memory.events": "low 0\nhigh 0\nmax 90\noom 4\noom_kill 3\noom_group_kill 0\n",
    "io.stat": "254:0 rbytes=1000 wbytes=2000 rios=1 wios=2 dbytes=0 dios=0\n",
    "pids.current": "7\n",
}
_MACHINE = {
    "stat": "cpu  2000 100 800 9000 250 0 50 30 0 0\ncpu0 1000 50 400 4500 125 0 25 15 0 0\n"
    "cpu1 1000 50 400 4500 125 0 25 15 0 0\nintr 1\nctxt 2\nbtime 1700000000\n",
    "meminfo": "MemTotal:        1000000 kB\nMemFree:          200000 kB\n"
    "MemAvailable:     600000 kB\nSwapTotal:        500000 kB\nSwapFree:         400000 kB\n"
    "HugePages_Total:       0\n",
    "vmstat": "pswpin 10\npswpout 20\noom_kill 54\n",
    "loadavg": "1.25 0.90 0.70 2/300 4711\n",
    "net/dev": _NET_DEV
    + "docker0: 7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\nveth91: 7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n"
    "br-90: 7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\neth0.5: 7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n",
    "diskstats": "   7       0 loop0 9 0 9 9 9 0 9 9 0 9 9\n"
    " 254       0 vda 100 0 200 30 50 0 400 60 0 70 90 0 0 0 0 0 0\n"
    " 254       1 vda1 100 0 200 30 50 0 400 60 0 70 90 0 0 0 0 0 0\n"
    " 253       0 dm-0 100 0 200 30 50 0 400 60 0 70 90\n"
    " 259       0 nvme0n1 1 0 2 1 1 0 4 1 0 5 1 0 0 0 0 0 0\n",
    "pressure/cpu": "some avg10=1.00 avg60=0.50 avg300=0.10 total=111\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=222\n",
    "pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=333\n",
    "self/stat": "99 (python -m (x) y) S 1 99 99 0 -1 4194304 1 0 0 0 300 200 0 0 20 0 5 0 1 1 1\n",
    "self/statm": "5000 1200 300 1 0 900 0\n",
}


def record(folder: Path, version: int) -> tuple[Path, Path]:
    """Writes the trees; where /proc and the cgroups lie."""
    proc, cgroup = folder / "proc", folder / "cgroup"
    _write(proc, _MACHINE)
    own = {"cgroup": _V1_MEMBERSHIP if version == 1 else _V2_MEMBERSHIP, "net/dev": _NET_DEV}
    _write(proc / str(PID), own)
    for process, network in (("self", "net:[1]"), (str(PID), "net:[2]")):
        (proc / process / "ns").mkdir(parents=True)
        (proc / process / "ns/net").symlink_to(network)
    if version == 1:
        inside = {
            f"{name.partition('/')[0]}/docker/{ID}/{name.partition('/')[2]}": text
            for name, text in _V1.items()
        }
        _write(cgroup, inside)
        for alias in ("cpu", "cpuacct"):  # as every distribution links them
            (cgroup / alias).symlink_to("cpu,cpuacct")
    else:
        _write(cgroup / f"system.slice/docker-{ID}.scope", _V2)
    return proc, cgroup


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
