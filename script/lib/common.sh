# shellcheck shell=bash
# Shared by the programs of script/. Source it; it needs `set -euo pipefail` and changes nothing by
# itself but COVE_TOP and COVE_PYTHON.

COVE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # for the programs that source this file
COVE_PYTHON=$COVE_TOP/.venv/bin/python

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$(basename "$0"): $*"
    exit 1
}

# as_root ARG...: run a command with root's rights, or say why it cannot.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $*"
    fi
}

package_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]
}

# apt_lists_fresh: whether apt's package lists are younger than an hour.
apt_lists_fresh() {
    local age
    age=$(stat --format=%Y /var/lib/apt/periodic/cove-update 2>/dev/null || echo 0)
    (($(date +%s) - age < 3600)) && compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null
}

apt_update() {
    apt_lists_fresh && return
    as_root apt-get -qq update || die "apt-get update failed: is a Debian mirror in reach?"
    as_root install -D /dev/null /var/lib/apt/periodic/cove-update
}

# need_packages REASON PACKAGE...: install what is missing of the Debian packages, saying why.
need_packages() {
    local reason=$1 package missing=()
    shift
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    command -v apt-get >/dev/null || die "${missing[*]} missing ($reason), and there is no apt-get"
    say "installing ${missing[*]}: $reason"
    apt_update
    as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq install --yes \
        --no-install-recommends "${missing[@]}" >/dev/null || die "could not install ${missing[*]}"
}

# need_command COMMAND REASON PACKAGE...: install the packages unless the command exists already,
# wherever it came from.
need_command() {
    local command=$1
    shift
    command -v "$command" >/dev/null || need_packages "$@"
}

DOCKERD_LOG=/var/log/cove-dockerd.log

docker_answers() {
    local socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
    [[ $socket == unix://* ]] || return 1
    "$COVE_PYTHON" - "${socket#unix://}" <<'PYTHON'
import http.client, socket, sys

class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(sys.argv[1])

try:
    engine = Engine("localhost")
    engine.request("GET", "/_ping")
    sys.exit(engine.getresponse().status != 200)
except OSError:
    sys.exit(1)
PYTHON
}

under_systemd() { [[ -d /run/systemd/system ]]; }

start_dockerd() {
    if under_systemd; then
        say "starting the Docker engine: systemctl enable --now docker"
        as_root systemctl enable --now docker >/dev/null 2>&1 || die "systemctl could not start docker"
    else
        say "starting the Docker engine without systemd (log: $DOCKERD_LOG)"
        # No systemd, no service: the process outlives this script on purpose.
        # shellcheck disable=SC2016  # $1 is the inner shell's
        as_root sh -c 'setsid nohup dockerd >>"$1" 2>&1 </dev/null &' sh "$DOCKERD_LOG"
    fi
}

wait_for_docker() {
    local attempt
    for ((attempt = 0; attempt < 120; attempt++)); do
        docker_answers && return
        sleep 0.5
    done
    [[ -r $DOCKERD_LOG ]] && tail -n 20 "$DOCKERD_LOG" >&2
    die "the Docker engine did not answer within a minute"
}

# ensure_docker: a Docker engine that answers, installed and started where there is none.
ensure_docker() {
    docker_answers && return
    need_command dockerd "cove runs containers with the Docker engine" docker.io iptables ca-certificates
    need_command iptables "the Docker engine connects containers with it" iptables
    start_dockerd
    wait_for_docker
}
