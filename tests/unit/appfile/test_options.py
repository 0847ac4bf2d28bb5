from __future__ import annotations

import pytest

from cove.appfile.keys import OPTIONS, POWERS

from support.appfile import problem, service

GRANT = "needs a grant of the server's owner: cove allow shop"

# key, as written, as Compose is to have it
ACCEPTED = [
    ("cap_drop", "[ALL]", ["ALL"]),
    ("cap_drop", "[NET_RAW, CAP_CHOWN]", ["NET_RAW", "CAP_CHOWN"]),
    ("command", "[npm, run, 'a b']", ["npm", "run", "a b"]),
    ("command", "npm run 'a b'", ["npm", "run", "a b"]),
    ("command", "[]", []),
    ("command", "''", []),
    ("command", "[sleep, 5]", ["sleep", "5"]),
    ("command", "[echo, $$HOME]", ["echo", "$HOME"]),
    ("cpu_period", "100000", 100_000),
    ("cpu_quota", "50000", 50_000),
    ("cpu_quota", "-1", -1),
    ("cpu_shares", "512", 512),
    ("cpus", "0.5", 0.5),
    ("cpus", "'2'", 2.0),
    ("cpuset", "0-2,4", "0-2,4"),
    (
        "deploy",
        "{resources: {limits: {cpus: '0.5', memory: 64M, pids: 100}}}",
        {"resources": {"limits": {"cpus": 0.5, "memory": "67108864", "pids": 100}}},
    ),
    (
        "deploy",
        "{resources: {reservations: {memory: 1g}}}",
        {"resources": {"reservations": {"memory": "1073741824"}}},
    ),
    ("dns", "1.1.1.1", ["1.1.1.1"]),
    ("dns", "[1.1.1.1, '2606:4700::1111']", ["1.1.1.1", "2606:4700::1111"]),
    ("dns_opt", "['ndots:2', rotate]", ["ndots:2", "rotate"]),
    ("dns_search", "example.com", ["example.com"]),
    ("dns_search", "[., example.com]", [".", "example.com"]),
    ("entrypoint", "/app/start --now", ["/app/start", "--now"]),
    ("entrypoint", "[/app/start]", ["/app/start"]),
    ("expose", "[8000, '9000-9005', 53/udp]", ["8000", "9000-9005", "53/udp"]),
    ("extra_hosts", "{db: 10.0.0.5}", ["db=10.0.0.5"]),
    ("extra_hosts", "{db: [10.0.0.5, 'fd00::5']}", ["db=10.0.0.5", "db=fd00::5"]),
    ("extra_hosts", "['db:10.0.0.5', db=10.0.0.6]", ["db=10.0.0.5", "db=10.0.0.6"]),
    ("extra_hosts", "['db:fd00::5', 'x=[fd00::6]']", ["db=fd00::5", "x=fd00::6"]),
    ("extra_hosts", "['host.docker.internal:host-gateway']", ["host.docker.internal=host-gateway"]),
    ("group_add", "[1000, audio]", ["1000", "audio"]),
    ("healthcheck", "{test: curl -f localhost}", {"test": ["CMD-SHELL", "curl -f localhost"]}),
    ("healthcheck", "{test: [CMD, true]}", {"test": ["CMD", "true"]}),
    ("healthcheck", "{test: [NONE]}", {"test": ["NONE"]}),
    ("healthcheck", "{disable: true}", {"disable": True}),
    (
        "healthcheck",
        ("{interval: 1m30s, timeout: 500ms, retries: 3, start_period: 0.0005, start_interval: 2}"),
        {
            "interval": "90s",
            "timeout": "500ms",
            "retries": 3,
            "start_period": "500us",
            "start_interval": "2s",
        },
    ),
    ("hostname", "web-1", "web-1"),
    ("init", "true", True),
    ("init", "False", False),
    (
        "labels",
        "{com.example.team: shop, n: 1, empty: }",
        {"com.example.team": "shop", "n": "1", "empty": ""},
    ),
    ("labels", "[team=shop, flag, a=b=c]", {"team": "shop", "flag": "", "a": "b=c"}),
    ("logging", "{driver: local}", {"driver": "local"}),
    (
        "logging",
        "{options: {max-size: 10m, max-file: 3}}",
        {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    ),
    ("mem_limit", "64m", "67108864"),
    ("mem_limit", "67108864", "67108864"),
    ("mem_limit", "64 MB", "67108864"),
    ("mem_limit", "64MiB", "67108864"),
    ("mem_limit", "0.5g", "536870912"),
    ("mem_limit", "65536kb", "67108864"),
    ("mem_reservation", "32m", "33554432"),
    ("mem_swappiness", "0", 0),
    ("memswap_limit", "128m", "134217728"),
    ("memswap_limit", "-1", -1),
    ("oom_score_adj", "500", 500),
    ("pids_limit", "100", 100),
    ("pids_limit", "-1", -1),
    ("platform", "linux/amd64", "linux/amd64"),
    ("platform", "linux/arm/v7", "linux/arm/v7"),
    ("read_only", "true", True),
    ("restart", "no", "no"),
    ("restart", "always", "always"),
    ("restart", "unless-stopped", "unless-stopped"),
    ("restart", "on-failure", "on-failure"),
    ("restart", "on-failure:3", "on-failure:3"),
    ("shm_size", "64m", "67108864"),
    ("stdin_open", "true", True),
    ("stop_signal", "SIGQUIT", "SIGQUIT"),
    ("stop_signal", "SIGRTMIN+3", "SIGRTMIN+3"),
    ("stop_signal", "9", "9"),
    ("tty", "true", True),
    ("ulimits", "{nofile: 1024}", {"nofile": 1024}),
    (
        "ulimits",
        "{nofile: {soft: 1024, hard: 2048}, core: -1}",
        {"nofile": {"soft": 1024, "hard": 2048}, "core": -1},
    ),
    ("ulimits", "{memlock: {soft: -1, hard: -1}}", {"memlock": {"soft": -1, "hard": -1}}),
    ("user", "1000", "1000"),
    ("user", "'1000:1000'", "1000:1000"),
    ("user", "app:www-data", "app:www-data"),
    ("working_dir", "/srv/app", "/srv/app"),
]


@pytest.mark.parametrize(("key", "written", "canonical"), ACCEPTED)
def test_composes_keys_are_kept_in_composes_own_form(key, written, canonical):
    """What lands in the options can be written into a Compose file as it is."""
    assert service(f"{key}: {written}\n").options == {key: canonical}


def test_every_option_of_the_catalogue_has_an_example():
    """A newcomer's key comes with its line in the table above."""
    assert {key for key, _, _ in ACCEPTED} == set(OPTIONS) - set(POWERS)


# key, as written, the finding behind the file's name
REFUSED = [
    ("cap_drop", "ALL", "2:11: cap_drop: must be a list of capabilities"),
    (
        "cap_drop",
        "[all]",
        ('2:12: cap_drop[0]: must be a capability such as "NET_RAW" or "ALL", not "all"'),
    ),
    ("command", "'a \"b'", "2:10: command: a quote in the command is not closed"),
    ("command", "{a: b}", "2:10: command: must be a command, not a mapping"),
    ("command", "[[a]]", "2:11: command[0]: must be text, not a list"),
    ("command", "[a, ~]", "2:14: command[1]: must be text, but nothing is written here"),
    ("command", '["a\\0"]', "2:11: command[0]: must not contain control characters"),
    ("cpus", "0", '2:7: cpus: must be a number from 0.01 to 1024, not "0"'),
    (
        "cpus",
        "0.000000000001",
        '2:7: cpus: must be a number from 0.01 to 1024, not "0.000000000001"',
    ),
    ("cpus", "half", '2:7: cpus: must be a number from 0.01 to 1024, not "half"'),
    ("cpus", "-1", '2:7: cpus: must be a number from 0.01 to 1024, not "-1"'),
    ("cpus", "nan", '2:7: cpus: must be a number from 0.01 to 1024, not "nan"'),
    ("cpuset", "0-", '2:9: cpuset: must be CPUs as "0-2,4", not "0-"'),
    ("deploy", "[a]", "2:9: deploy: must be a mapping"),
    (
        "deploy",
        "{restart_policy: {condition: any}}",
        (
            "2:10: deploy.restart_policy: is not read here; instead, write restart in the service "
            "itself"
        ),
    ),
    ("deploy", "{mode: global}", '2:16: deploy.mode: must be replicated, not "global"'),
    (
        "deploy",
        "{resources: {limits: {memory: 1k}}}",
        ("2:39: deploy.resources.limits.memory: must be at least 6291456 bytes"),
    ),
    (
        "deploy",
        "{resources: {limits: {cpu: 1}}}",
        ('2:31: deploy.resources.limits: unknown key "cpu"; did you mean "cpus"?'),
    ),
    (
        "deploy",
        "{resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
        f"2:37: deploy.resources.reservations.devices: {GRANT} gpus",
    ),
    ("dns", "resolver", '2:6: dns: must be an IP address, not "resolver"'),
    ("dns_search", "a b", "2:13: dns_search: a host's name is letters, digits, dashes and dots"),
    ("expose", "[0]", '2:10: expose[0]: must be a port from 1 to 65535, not "0"'),
    ("expose", "[9-8]", '2:10: expose[0]: must be a port from 1 to 65535, not "9-8"'),
    ("expose", "8000", "2:9: expose: must be a list"),
    ("extra_hosts", "[db]", '2:15: extra_hosts[0]: must read "host=address", not "db"'),
    ("extra_hosts", "['db:x']", '2:15: extra_hosts[0]: must be an IP address, not "db:x"'),
    ("extra_hosts", "{db: x}", '2:19: extra_hosts.db: must be an IP address, not "x"'),
    (
        "extra_hosts",
        "{'a b': 10.0.0.1}",
        ('2:15: extra_hosts."a b": a host\'s name is letters, digits, dashes and dots'),
    ),
    (
        "extra_hosts",
        "{db: {a: b}}",
        ("2:19: extra_hosts.db: must be an address or a list of them, not a mapping"),
    ),
    (
        "healthcheck",
        "{test: [curl]}",
        ('2:21: healthcheck.test: the list must begin with "CMD", "CMD-SHELL" or "NONE"'),
    ),
    (
        "healthcheck",
        "{test: []}",
        ('2:21: healthcheck.test: the list must begin with "CMD", "CMD-SHELL" or "NONE"'),
    ),
    ("healthcheck", "{test: [CMD]}", '2:21: healthcheck.test: what follows "CMD" does not fit it'),
    (
        "healthcheck",
        "{test: [NONE, a]}",
        ('2:21: healthcheck.test: what follows "NONE" does not fit it'),
    ),
    (
        "healthcheck",
        "{disable: true, retries: 2}",
        ("2:14: healthcheck: disable goes with no other key"),
    ),
    (
        "healthcheck",
        "{retries: 0}",
        ('2:24: healthcheck.retries: must be a whole number from 1 to 1000, not "0"'),
    ),
    ("healthcheck", "/healthz", "2:14: healthcheck: must be a mapping"),
    ("hostname", "a.b", '2:11: hostname: must be a host name of one part, not "a.b"'),
    ("init", "yes", '2:7: init: must be true or false, not "yes"'),
    ("init", "1", '2:7: init: must be true or false, not "1"'),
    (
        "labels",
        "{com.docker.compose.project: x}",
        (
            "2:10: labels.com.docker.compose.project: the "
            'label name space "com.docker.*" is Docker\'s own'
        ),
    ),
    ("labels", "[cove.app=x]", '2:10: labels[0]: the label name space "cove.*" is cove\'s own'),
    (
        "labels",
        "{traefik.enable: true}",
        (
            "2:10: labels.traefik.enable: the label name space "
            '"traefik.*" is not read: domain and routes say what the proxy does'
        ),
    ),
    ("labels", "{'a b': x}", '2:10: labels."a b": "a b" is no name of a label'),
    ("labels", "[a=1, a=2]", '2:15: labels[1]: the label "a" was given before'),
    ("labels", "{a: [x]}", "2:13: labels.a: must be text, not a list"),
    ("labels", "text", '2:9: labels: must be a mapping or a list of "name=value"'),
    (
        "logging",
        "{driver: syslog}",
        ('2:19: logging.driver: must be json-file or local, not "syslog"'),
    ),
    (
        "logging",
        "{options: {max-size: big}}",
        ('2:31: logging.options.max-size: must be a size such as "10m", not "big"'),
    ),
    (
        "logging",
        "{options: {max-size: 10g}}",
        ("2:31: logging.options.max-size: must be from 100k to 100m"),
    ),
    (
        "logging",
        "{options: {max-file: 11}}",
        ('2:31: logging.options.max-file: must be a whole number from 1 to 10, not "11"'),
    ),
    (
        "logging",
        "{options: {mode: non-blocking}}",
        ("2:21: logging.options.mode: other options would keep cove from reading the log"),
    ),
    ("mem_limit", "1m", "2:12: mem_limit: must be at least 6291456 bytes"),
    ("mem_limit", "much", '2:12: mem_limit: must be a size such as "64m" or "1g", not "much"'),
    ("mem_limit", "-1", '2:12: mem_limit: must be a size such as "64m" or "1g", not "-1"'),
    ("mem_limit", "999999999999999t", "2:12: mem_limit: is larger than any machine"),
    ("memswap_limit", "[1]", '2:16: memswap_limit: must be a size such as "64m", not a list'),
    ("oom_score_adj", "-500", f"2:16: oom_score_adj: {GRANT} oom-score"),
    (
        "oom_score_adj",
        "1001",
        ('2:16: oom_score_adj: must be a whole number from -1000 to 1000, not "1001"'),
    ),
    ("pids_limit", "0", '2:13: pids_limit: must be a whole number from 1 to 4194304, not "0"'),
    (
        "platform",
        "windows/amd64",
        ('2:11: platform: must be a Linux platform such as "linux/arm64", not "windows/amd64"'),
    ),
    (
        "restart",
        "sometimes",
        (
            "2:10: restart: must be no, always, unless-stopped, on-failure or "
            '"on-failure:N", not "sometimes"'
        ),
    ),
    ("shm_size", "0", "2:11: shm_size: must be at least 1 bytes"),
    (
        "stop_signal",
        "kill it",
        ('2:14: stop_signal: must be a signal such as "SIGTERM", not "kill it"'),
    ),
    ("ulimits", "{files: 1}", '2:11: ulimits.files: there is no limit "files"'),
    (
        "ulimits",
        "{nofile: many}",
        ('2:19: ulimits.nofile: must be a whole number from -1 to 576460752303423488, not "many"'),
    ),
    (
        "ulimits",
        "{nofile: {soft: 2, hard: 1}}",
        ("2:19: ulimits.nofile: soft must not be above hard"),
    ),
    (
        "ulimits",
        "{nofile: {soft: -1, hard: 1}}",
        ("2:19: ulimits.nofile: soft must not be above hard"),
    ),
    ("ulimits", "{nofile: {soft: 2}}", "2:19: ulimits.nofile.hard: is required"),
    ("user", "'a b'", '2:7: user: must be a user such as "1000:1000" or "app", not "a b"'),
    ("user", "'1:'", '2:7: user: must be a user such as "1000:1000" or "app", not "1:"'),
    ("working_dir", "app", '2:14: working_dir: must be an absolute path, not "app"'),
]


@pytest.mark.parametrize(("key", "written", "words"), REFUSED)
def test_what_compose_or_docker_would_refuse_is_refused_at_its_place(key, written, words):
    """Before anything runs, with the value's path and what it should have been."""
    assert problem(f"{key}: {written}\n") == words


@pytest.mark.parametrize(
    ("key", "resources", "twin"),
    [
        ("cpus: 1", "limits: {cpus: 2}", "limits.cpus"),
        ("mem_limit: 64m", "limits: {memory: 65m}", "limits.memory"),
        ("pids_limit: 10", "limits: {pids: 11}", "limits.pids"),
        ("mem_reservation: 64m", "reservations: {memory: 65m}", "reservations.memory"),
    ],
)
def test_two_spellings_of_one_limit_must_agree(key, resources, twin):
    """Compose would refuse the file; the finding names both."""
    found = problem(f"{key}\ndeploy: {{resources: {{{resources}}}}}\n")
    name, value = key.split(": ")
    at = f"2:{len(key) - len(value) + 1}"
    assert found == f"{at}: {name}: contradicts deploy.resources.{twin}; write one of them"


def test_two_spellings_of_one_limit_may_agree():
    """Saying the same twice is no contradiction."""
    assert service("cpus: 1\ndeploy: {resources: {limits: {cpus: '1.0'}}}\n").options["cpus"] == 1
