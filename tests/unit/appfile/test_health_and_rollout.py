from __future__ import annotations

import pytest

from cove.model.app import Health, RolloutPolicy

from support.appfile import problem, service


@pytest.mark.parametrize(
    ("text", "health"),
    [
        ("/healthz", Health(path="/healthz")),
        ("/", Health(path="/")),
        ("/healthz?full=1&deep=yes", Health(path="/healthz?full=1&deep=yes")),
        ("{}", Health()),
        ("{path: /up, port: 9000}", Health(path="/up", port=9000)),
        ("{interval: 500ms, timeout: 2s}", Health(interval=0.5, timeout=2.0)),
        ("{interval: 1}", Health(interval=1.0)),
        ("{status: 200}", Health(status=((200, 200),))),
        ('{status: "200"}', Health(status=((200, 200),))),
        ("{status: 200-299}", Health(status=((200, 299),))),
        ('{status: [200, "301-302", 401]}', Health(status=((200, 200), (301, 302), (401, 401)))),
    ],
)
def test_health_is_a_path_or_a_mapping(text, health):
    """What is left out keeps the model's default."""
    assert service(f"health: {text}\n").health == health


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("healthz", '2:9: health: must start with "/"'),
        ("false", '2:9: health: must start with "/"'),
        ("'/a b'", '2:9: health: "/a b" is not a URL\'s path; encode other characters as %XX'),
        (
            '"/a\\r\\nHost: b"',
            ('2:9: health: "/a\\r\\nHost: b" is not a URL\'s path; encode other characters as %XX'),
        ),
        ("[/a]", '2:9: health: must be a path such as "/healthz", not a list'),
        ("{path: x}", '2:16: health.path: must start with "/"'),
        ("{port: 0}", '2:16: health.port: must be a whole number from 1 to 65535, not "0"'),
        ("{interval: 0}", "2:20: health.interval: must be more than 0s to 3600s long"),
        ("{timeout: 2h}", "2:19: health.timeout: must be more than 0s to 3600s long"),
        (
            "{timeout: -1s}",
            (
                '2:19: health.timeout: must be a duration such as "60s", "1m30s" or '
                '"500ms", not "-1s"'
            ),
        ),
        (
            "{status: 600}",
            ('2:18: health.status: must be a status such as 200 or "200-299", not "600"'),
        ),
        (
            "{status: 299-200}",
            ('2:18: health.status: must be a status such as 200 or "200-299", not "299-200"'),
        ),
        (
            "{status: ok}",
            ('2:18: health.status: must be a status such as 200 or "200-299", not "ok"'),
        ),
        ("{status: []}", "2:18: health.status: must name a status"),
        (
            "{status: [200, x]}",
            ('2:24: health.status[1]: must be a status such as 200 or "200-299", not "x"'),
        ),
        ("{test: x}", '2:10: health: unknown key "test"'),
    ],
)
def test_a_health_that_cannot_be_meant_is_refused(text, words):
    """With the place of the part that is wrong."""
    assert problem(f"health: {text}\n") == words


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("{}", RolloutPolicy()),
        ("{order: start-first}", RolloutPolicy(order="start-first")),
        ("{order: stop-first}", RolloutPolicy(order="stop-first")),
        ("{timeout: 2m, drain: 1h, settle: 0}", RolloutPolicy(timeout=120, drain=3600, settle=0)),
        ("{drain: 0s}", RolloutPolicy(drain=0)),
        ("{before: [python, -c, 'a b']}", RolloutPolicy(before=("python", "-c", "a b"))),
        ("{before: python -c 'a b'}", RolloutPolicy(before=("python", "-c", "a b"))),
        ("{before: x, before_timeout: 1h}", RolloutPolicy(before=("x",), before_timeout=3600)),
    ],
)
def test_a_rollout_policy_is_a_mapping(text, policy):
    """What is left out keeps the model's default."""
    assert service(f"rollout: {text}\n").rollout == policy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start-first", "2:10: rollout: must be a mapping"),
        ("{order: both}", '2:18: rollout.order: must be start-first or stop-first, not "both"'),
        ("{timeout: 0}", "2:20: rollout.timeout: must be more than 0s to 3600s long"),
        ("{drain: 25h}", "2:18: rollout.drain: must be 0s to 86400s long"),
        ("{before: []}", "2:19: rollout.before: must name a command"),
        ('{before: ["", x]}', "2:19: rollout.before: must name a command"),
        ("{before: ''}", "2:19: rollout.before: must name a command"),
        ('{before: "it\'s"}', "2:19: rollout.before: a quote in the command is not closed"),
        (
            "{before: x, before_timeout: 2h}",
            "2:38: rollout.before_timeout: must be more than 0s to 3600s long",
        ),
        ("{ordr: x}", '2:11: rollout: unknown key "ordr"; did you mean "order"?'),
    ],
)
def test_a_rollout_policy_that_cannot_be_meant_is_refused(text, words):
    """With the place of the part that is wrong."""
    assert problem(f"rollout: {text}\n") == words


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("60s", 60.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("1h", 3600.0),
        ("1.5s", 1.5),
        ("0.5m", 30.0),
        ("90", 90.0),
        ("2.5", 2.5),
        ("1d", 86400.0),
    ],
)
def test_durations_are_composes_and_bare_numbers_are_seconds(written, seconds):
    """In the model every duration is a number of seconds."""
    assert service(f"stop_grace_period: {written}\n").stop_grace == seconds


@pytest.mark.parametrize(
    "written", ["''", "s", "1 s", "1s ago", "1S", "-1", "1e3", "1:30", "soon", "1.s", ".5s", "inf"]
)
def test_what_is_no_duration_is_refused(written):
    """Nothing is guessed."""
    words = 'stop_grace_period: must be a duration such as "60s", "1m30s" or "500ms", not '
    assert problem(f"stop_grace_period: {written}\n").startswith(f"2:20: {words}")
