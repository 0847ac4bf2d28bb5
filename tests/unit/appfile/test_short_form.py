from __future__ import annotations

import pytest

from cove.appfile import load
from cove.errors import EXIT_USAGE, InvalidFile
from cove.model.app import App, EnvValue, Health, Mount, RolloutPolicy, Route, Service

from support.appfile import IMAGE, app, problem, problems, service

EVERYTHING = """\
name: shop
image: ghcr.io/acme/shop:1.4
domain: [shop.example.com]
port: 8000
health: /healthz
env: {LOG_LEVEL: info}
replicas: 2
volumes: [uploads:/app/uploads]
rollout: {order: start-first, timeout: 60s, drain: 10s}
tls: auto
user: "1000"
"""


def test_an_image_and_a_domain_are_enough():
    """An image and a domain make an app with one service, named as the app, and one route."""
    assert app("image: ghcr.io/acme/shop:1.4\ndomain: shop.example.com\n") == App(
        name="shop",
        services=(Service(name="shop", image="ghcr.io/acme/shop:1.4"),),
        routes=(Route(domain="shop.example.com", service="shop"),),
    )


def test_every_part_of_the_short_form_reaches_the_model():
    """cove's keys become the model's fields, Compose's other keys the service's options."""
    expected = Service(
        name="shop",
        image="ghcr.io/acme/shop:1.4",
        environment={"LOG_LEVEL": EnvValue("info")},
        mounts=(Mount(kind="volume", source="uploads", target="/app/uploads"),),
        options={"user": "1000"},
        replicas=2,
        health=Health(path="/healthz"),
        rollout=RolloutPolicy(order="start-first", timeout=60.0, drain=10.0),
    )
    route = Route(domain="shop.example.com", service="shop", port=8000)
    assert app(EVERYTHING) == App(name="shop", services=(expected,), routes=(route,))


def test_an_app_without_a_domain_has_no_routes():
    """A worker needs no domain."""
    assert app(IMAGE).routes == ()


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("shop.yml", IMAGE, "shop"),
        ("shop.yaml", IMAGE, "shop"),
        ("apps/shop.yml", IMAGE, "shop"),
        ("apps\\shop.yml", IMAGE, "shop"),
        ("blog/cove.yml", IMAGE, "blog"),
        ("blog/cove.yaml", IMAGE, "blog"),
        ("srv/blog/compose.yaml", IMAGE, "blog"),
        ("blog/docker-compose.yml", IMAGE, "blog"),
        ("<stdin>", "image: ghcr.io/acme/shop:1.4", "shop"),
        ("<stdin>", "image: localhost:5000/shop", "shop"),
        ("command line", "image: nginx", "nginx"),
        ("command line", f"image: acme/web@sha256:{'a' * 64}", "web"),
        ("other.yml", "name: shop\nimage: nginx", "shop"),
    ],
)
def test_the_name_comes_from_the_file_else_from_what_it_is_called(file, text, name):
    """The key wins; then the file's name, a general one's folder, or the image's last part."""
    found = app(text, name=file)
    assert (found.name, found.services[0].name) == (name, name)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("My Shop.yml", IMAGE, '"My Shop" cannot be one'),
        ("cove.yml", IMAGE, "there is nothing to take it from"),
        ("Shop/cove.yml", IMAGE, '"Shop" cannot be one'),
        ("<stdin>", "image: acme/my_shop:1", '"my_shop" cannot be one'),
    ],
)
def test_a_name_that_cannot_be_derived_is_asked_for(file, text, reason):
    """A name is taken as it is or not at all: a changed one would be another app."""
    assert problems(text, name=file) == [
        (
            f"{file}:1:1: name: is required, as {reason}: "
            "add name, lower-case letters, digits and dashes, 40 at most"
        )
    ]


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("Shop", ': write "shop"'),
        ("my_shop", ': write "my-shop"'),
        ("-shop-", ': write "shop"'),
        ("a" * 41, f': write "{"a" * 40}"'),
        ("ü", ""),
    ],
)
def test_an_invalid_name_is_refused_with_a_valid_one(written, advice):
    """The finding offers the nearest name that would do."""
    expected = "must be lower-case letters, digits and dashes, 40 at most" + advice
    assert problem(f"name: {written}\n") == f"2:7: name: {expected}"


def test_every_finding_is_reported_at_once_in_the_order_of_the_text():
    """Nobody mends a file one error at a time."""
    text = """\
imgae: acme/shop
domain: Shop.example.com
port: 99999
health: {paht: /, interval: soon}
privileged: true
"""
    assert problems(text) == [
        'shop.yml:1:1: unknown key "imgae"; did you mean "image"?',
        "shop.yml:1:1: image: is required",
        'shop.yml:2:9: domain: "Shop.example.com" must be lower case: write "shop.example.com"',
        'shop.yml:3:7: port: must be a whole number from 1 to 65535, not "99999"',
        'shop.yml:4:10: health: unknown key "paht"; did you mean "path"?',
        (
            'shop.yml:4:29: health.interval: must be a duration such as "60s", "1m30s" or "500ms", '
            'not "soon"'
        ),
        (
            "shop.yml:5:1: privileged: needs a grant of the server's owner: "
            "cove allow shop privileged"
        ),
    ]


@pytest.mark.parametrize(("text", "count"), [("", "1 problem"), ("a: 1\nb: 2", "3 problems")])
def test_the_error_says_which_file_and_how_much_is_wrong(text, count):
    """The message summarises; the findings are beside it; the code and exit code are stable."""
    with pytest.raises(InvalidFile) as caught:
        load(text, name="shop.yml", env_files={}, variables={})
    assert caught.value.message == f"shop.yml is not valid: {count}"
    assert caught.value.specific_code == "invalid-file"
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "nginx:1.27-alpine",
        "acme/shop",
        "ghcr.io/acme/shop:1.4",
        "localhost:5000/shop:dev",
        f"acme/shop@sha256:{'0' * 64}",
        f"acme/shop:1@sha256:{'0' * 64}",
    ],
)
def test_images_are_references_as_docker_takes_them(image):
    """Registry, port, tag and digest are all optional."""
    assert app(f"image: {image}").services[0].image == image


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("acme/Shop:1.4", 'an image\'s name must be lower case: write "acme/shop:1.4"'),
        ("http://acme/shop", 'must be an image such as "ghcr.io/acme/shop:1.4", not '),
        ("acme shop", 'must be an image such as "ghcr.io/acme/shop:1.4", not "acme shop"'),
        ("-rm", 'must be an image such as "ghcr.io/acme/shop:1.4", not "-rm"'),
        ('""', 'must be an image such as "ghcr.io/acme/shop:1.4", not ""'),
        ('"a\\n"', 'must be an image such as "ghcr.io/acme/shop:1.4", not "a\\n"'),
        ("a" * 600, "must be an image such as"),
        ("[a]", "must be an image, not a list"),
        ("{a: b}", "must be an image, not a mapping"),
    ],
)
def test_what_is_no_image_is_refused(image, words):
    """Nothing that could be an option, a URL or a list passes as an image."""
    (line,) = problems(f"image: {image}")
    assert line.startswith(f"shop.yml:1:8: image: {words}")


@pytest.mark.parametrize("text", ["domain: a.test\n", "image:\ndomain: a.test\n"])
def test_a_file_without_an_image_is_refused(text):
    """A key without a value counts as not given."""
    assert problems(text) == ["shop.yml:1:1: image: is required"]


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("always", "always"),
        ("missing", "missing"),
        ("if_not_present", "missing"),
        ("never", "never"),
    ],
)
def test_pull_policies_are_composes(written, policy):
    """Two of Compose's words mean the same."""
    assert service(f"pull_policy: {written}\n").pull_policy == policy


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("build", "cove runs images and builds none"),
        ("daily", 'must be always, missing, if_not_present, never or build, not "daily"'),
    ],
)
def test_other_pull_policies_are_refused(written, words):
    """cove builds nothing, and knows no schedule."""
    assert problem(f"pull_policy: {written}\n") == f"2:14: pull_policy: {words}"


@pytest.mark.parametrize("count", [1, 10])
def test_replicas_go_from_one_to_ten(count):
    """Both ends are allowed."""
    assert service(f"replicas: {count}\n").replicas == count


@pytest.mark.parametrize("written", ["0", "11", "-1", "two", "1.5", "01", "1e1", '""', "true"])
def test_other_replica_counts_are_refused(written):
    """A number is written in digits, without leading zeros."""
    shown = written.strip('"')
    expected = f'2:11: replicas: must be a whole number from 1 to 10, not "{shown}"'
    assert problem(f"replicas: {written}\n") == expected


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30.0), ("1m30s", 90.0), ("0", 0.0), ("0.5", 0.5)]
)
def test_the_grace_period_is_read_in_seconds(written, seconds):
    """How long Docker waits before it kills is part of the model, not an option."""
    found = service(f"stop_grace_period: {written}\n")
    assert (found.stop_grace, found.options) == (seconds, {})


def test_a_key_without_a_value_counts_as_not_given():
    """As in Compose."""
    assert service("command:\nuser: ~\nenvironment: null\n") == service("")


@pytest.mark.parametrize(("key", "value"), [("domain", ""), ("routes", "~"), ("domain", "null")])
def test_a_route_that_was_begun_must_be_finished(key, value):
    """An empty domain is a slip, not an app without one."""
    words = "nothing is written here; leave the key out where there is no domain"
    assert problem(f"{key}: {value}\n") == f"2:1: {key}: {words}"


def test_sensitive_values_do_not_show_in_the_app():
    """An app may be printed."""
    found = service("env: {A: plain, B: $SECRET}\n", variables={"SECRET": "hunter2"})
    assert "plain" in repr(found)
    assert "hunter2" not in repr(found)
