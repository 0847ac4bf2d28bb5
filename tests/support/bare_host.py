"""A fresh Debian 12 server, played by a container: systemd, sshd, no Docker, Python 3.11.

It has every capability a virtual server's root would have, as far as this machine can lend them,
and its own dockerd can run in it. Package indexes are reached the way this machine reaches them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TOP = Path(__file__).parents[2]
IMAGE = "cove-test/debian:12"
_PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,ca-certificates,iproute2,iptables,"
    "python3,procps,curl,sudo"
)
# Without SYS_RESOURCE, SYS_MODULE and the like, which a test machine may not have itself.
_CAPABILITIES = """
AUDIT_CONTROL AUDIT_READ AUDIT_WRITE CHOWN DAC_OVERRIDE DAC_READ_SEARCH
FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MKNOD NET_ADMIN NET_BIND_SERVICE
NET_BROADCAST NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE
SYS_PACCT SYS_PTRACE SYS_TTY_CONFIG SYSLOG
"""
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_LENT = ("PIP_", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_BOOT_LIMIT = 120.0


class BareHost:
    """One simulated server. `close` removes it with everything in it."""

    def __init__(self) -> None:
        ensure_image()
        self.name = f"cove-host-{secrets.token_hex(3)}"
        docker("run", "--detach", "--name", self.name, *_run_options(), IMAGE, "/sbin/init")
        try:
            self._await_boot()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Removes the server."""
        subprocess.run(
            ["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False
        )

    def checkout(self, folder: str = "/srv/cove") -> str:
        """Copies the committed state of this repository to the server."""
        archive = subprocess.run(
            ["git", "-C", str(TOP), "archive", "--format=tar", "HEAD"],
            capture_output=True,
            check=True,
        )
        self.run("mkdir", "-p", folder)
        unpack = ["docker", "exec", "--interactive", self.name, "tar", "-x", "-C", folder]
        subprocess.run(unpack, input=archive.stdout, check=True)
        return folder

    def run(
        self, *command: str, folder: str = "/", timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command as root, as in a login over SSH. The caller judges its exit code."""
        environment = [f"--env={key}" for key in os.environ if key.startswith(_LENT)]
        argv = ["docker", "exec", *environment, "--workdir", folder, self.name, *command]
        return subprocess.run(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def _await_boot(self) -> None:
        deadline = time.monotonic() + _BOOT_LIMIT
        state = ""
        while time.monotonic() < deadline:
            state = self.run("systemctl", "is-system-running").stdout.strip()
            if state in ("running", "degraded"):
                return
            time.sleep(0.5)
        raise AssertionError(f"the simulated server did not boot: {state}")


def ensure_image() -> None:
    """Makes the root file system once; one to three minutes."""
    if docker("images", "--quiet", IMAGE).stdout.strip():
        return
    missing_mmdebstrap()
    make = ["mmdebstrap", "--variant=apt", f"--include={_PACKAGES}", "bookworm", "-"]
    with subprocess.Popen(make, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as source:
        subprocess.run(
            ["docker", "import", "-", IMAGE], stdin=source.stdout, check=True, capture_output=True
        )
    if source.returncode:
        docker("rmi", IMAGE)
        raise AssertionError(f"mmdebstrap ended with {source.returncode}")


def missing_mmdebstrap() -> None:
    """Fails the test where no Debian can be made."""
    if not shutil.which("mmdebstrap"):
        raise AssertionError("mmdebstrap is missing; script/test installs it")


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The docker command; fails the test with Docker's own words."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr.strip()}"
    return done


def _run_options() -> Sequence[str]:
    options = [f"--cap-add={name}" for name in _CAPABILITIES.split()]
    unconfined = ("seccomp", "apparmor", "systempaths")
    options += [f"--security-opt={option}=unconfined" for option in unconfined]
    options += ["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    options += ["--device-cgroup-rule=a *:* rwm", "--env=container=docker"]
    options += ["--stop-signal=SIGRTMIN+3", "--volume=/var/lib/docker"]
    options += ["--tmpfs=/run:exec", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec"]
    # A machine behind a mirror lends the way it reaches packages, not the packages.
    lent = [Path("/etc/apt"), _BUNDLE, Path(os.environ.get("PIP_FIND_LINKS", "/nonexistent"))]
    options += [f"--volume={path}:{path}:ro" for path in lent if path.exists()]
    return options
