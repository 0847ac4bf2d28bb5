"""Files that mean harm: no power over the machine, and no work for the agent without end."""

from __future__ import annotations

import pytest

from support.appfile import problem, problems, service

GRANT = "needs a grant of the server's owner: cove allow shop"


@pytest.mark.parametrize("limit", ["rtprio", "nice"])
def test_no_file_may_run_before_other_processes(limit: str) -> None:
    """A container with real-time priority could starve the machine whatever its CPU limit is."""
    assert (
        problem(f"ulimits: {{{limit}: 10}}\n") == f"2:11: ulimits.{limit}: {GRANT} ulimit={limit}"
    )


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("dns: 'fe80::1%$$HOME'\n", "2:6: dns: must be an IP address"),
        ("extra_hosts: {a: 'fe80::1%{{x'}\n", "2:18: extra_hosts.a: must be an IP address"),
        (
            "ports: [{target: 1, published: 1, host_ip: 'fe80::1%$${HOME}'}]\n",
            "2:44: ports[0].host_ip: what stands before the ports must be an IP address",
        ),
    ],
)
def test_an_address_carries_no_zone(text: str, finding: str) -> None:
    """What follows a "%" in an IPv6 address may be any text, which Compose would fill in."""
    assert problem(text).startswith(finding)


@pytest.mark.parametrize(
    ("image", "finding"),
    [
        ("cove.local/other/web:r1", "cove's own name for an app's release"),
        ("cove-0a1b2c.local/other/web:r1", "cove's own name for an app's release"),
        ("sha256:" + "a" * 64, "is an image's ID"),
        ("a" * 64, "is an image's ID"),
    ],
)
def test_no_image_is_taken_by_what_other_apps_know_it_by(image: str, finding: str) -> None:
    """cove's own tags and images' IDs name what another app runs, perhaps from a private place."""
    (found,) = problems(f"name: x\nimage: {image}\n")
    assert finding in found


def test_a_registry_may_be_called_like_cove() -> None:
    """Only the names that cove gives itself are taken."""
    assert service("").image == "acme/shop:1"
    assert not any(
        "own name" in line for line in problems("image: cove.locale/a/b:1\nname: x\nbad: 1\n")
    )


@pytest.mark.parametrize("key", ["interval", "start_interval"])
def test_docker_is_not_kept_busy_by_a_health_check(key: str) -> None:
    """Docker runs its check outside the container's limits, as often as it is told to."""
    found = problem(f"healthcheck: {{test: [CMD, x], {key}: 1ms}}\n")
    assert found.endswith("must be at least 500ms")


def test_the_agent_is_not_kept_busy_by_a_health_check() -> None:
    """Between two checks there is always a pause."""
    found = problem("health: {interval: 0.000000000000001}\n")
    assert found == "2:20: health.interval: must be at least 50ms"


def test_a_command_is_not_longer_than_linux_takes_it() -> None:
    """Taking a megabyte apart as a shell does took half a minute, in which nothing else went on."""
    found = problem("command: $A\n", variables={"A": "a" * 1_000_000})
    assert found == "2:10: command: is longer than the 128 KB that Linux passes on"


def test_env_files_have_a_limit_together() -> None:
    """Twenty files of a megabyte took the agent most of a minute."""
    files = {f"{i}.env": f"A{i}=" + "x" * 1_000_000 for i in range(3)}
    found = problem(f"env_file: [{', '.join(files)}]\n", env_files=files)
    assert found == "2:11: env_file: the files are larger than 2 MB together"


def test_an_env_file_is_named_once() -> None:
    """The same file again changes nothing, and would be read again."""
    assert problem("env_file: [a, a]\n", env_files={"a": "A=1"}) == (
        "2:11: env_file: names a file twice"
    )


def test_an_env_file_has_a_number_of_variables() -> None:
    """More than any program needs are refused where they begin to be too many."""
    text = "".join(f"A{i}=\n" for i in range(5001))
    assert problem("env_file: a\n", env_files={"a": text}).startswith("a:5001: ")


@pytest.mark.parametrize(
    "text",
    [
        "domain: [{}]\n".format(", ".join(f"a{i}.test" for i in range(501))),
        "routes: [{}]\n".format(", ".join(f"{{domain: a{i}.test}}" for i in range(501))),
        "routes: [{{domain: x.test, redirect_from: [{}]}}]\n".format(
            ", ".join(f"a{i}.test" for i in range(500))
        ),
    ],
)
def test_an_app_has_a_number_of_domains(text: str) -> None:
    """Each costs a certificate and work in the proxy that all apps share."""
    assert problem(f"port: 80\n{text}").endswith("names 501 domains; 500 is the most")


def test_500_domains_are_fine() -> None:
    """The limit itself is allowed."""
    domains = ", ".join(f"a{i}.test" for i in range(500))
    assert service(f"port: 80\ndomain: [{domains}]\n").name == "shop"
