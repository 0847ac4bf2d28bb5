"""The Compose form, and services beside the short form."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cove.appfile import keys
from cove.appfile.reference import KEYS
from cove.model.app import App, Attachment, Dependency, EnvValue, Network, Route, Volume

from support.appfile import app, problems

WEB = "services:\n  web:\n    image: acme/shop:1\n"


def web(lines: str, **given: Any) -> App:
    """A Compose file of one service with more keys."""
    return app(WEB + "".join(f"    {line}\n" for line in lines.splitlines()), **given)


def found(lines: str, beside: str = "", **given: Any) -> list[str]:
    """The findings, without the file's name; further keys of the service begin in line 4."""
    text = WEB + "".join(f"    {line}\n" for line in lines.splitlines()) + beside
    return [line.removeprefix("shop.yml:") for line in problems(text, **given)]


def examples() -> list[Any]:
    """The reference's examples that say something of one service."""
    named = {"name", "image", "domain", "routes", "port", "tls", "access_log"}
    return [
        pytest.param(key, entry.example, entry.grant, id=key)
        for key, entry in KEYS.items()
        if key not in named and "services:" not in entry.example and "source:" not in entry.example
    ]


@pytest.mark.parametrize(("key", "example", "grant"), examples())
def test_the_short_form_is_a_compose_file_with_one_service(
    key: str, example: str, grant: str
) -> None:
    """Every key means the same in both, wherever it is written."""
    given: dict[str, Any] = {
        "env_files": {"shop.env": "A=1\n"},
        "granted": {grant},
        "variables": {"API_KEY": "x"},
    }
    read = yaml.load(example, Loader=yaml.BaseLoader)  # noqa: S506 - text stays text
    own = {k: v for k, v in read.items() if k in keys.X_COVE}
    rest = {"environment" if k == "env" else k: v for k, v in read.items() if k not in own}
    service = {"image": "acme/shop:1", **rest, "x-cove": {"domain": "a.test", **own}}
    compose = {
        "services": {"shop": service},
        "volumes": {"uploads": {}},
        "networks": {"backend": {}},
    }
    short = app(f"image: acme/shop:1\ndomain: a.test\n{example}\n", **given)
    assert app(yaml.safe_dump(compose), **given) == short


def test_a_service_has_its_keys_and_coves_own_under_x_cove() -> None:
    """Nothing of it is left over."""
    shop = web("x-cove: {domain: a.test, port: 80, tls: off, health: /h, replicas: 2}")
    assert shop.name == "shop"
    assert shop.routes == (Route(domain="a.test", service="web", port=80, tls="off"),)
    assert (shop.services[0].replicas, shop.services[0].health.path) == (2, "/h")


@pytest.mark.parametrize(
    ("text", "file", "name"),
    [
        (WEB, "shop/compose.yml", "shop"),
        (WEB, "shop/docker-compose.yaml", "shop"),
        (WEB, "shop.yml", "shop"),
        (f"name: a\n{WEB}", "shop.yml", "a"),
        (f"x-cove: {{name: b}}\n{WEB}", "shop.yml", "b"),
        (f"name: b\nx-cove: {{name: b}}\n{WEB}", "shop.yml", "b"),
        (f"x-cove: {{name: '${{N}}'}}\n{WEB}", "shop.yml", "c"),
    ],
)
def test_an_app_is_named_at_the_top_or_by_its_file(text: str, file: str, name: str) -> None:
    """As in the short form, with one more place."""
    assert app(text, name=file, variables={"N": "c"}).name == name


@pytest.mark.parametrize(
    ("lines", "port"),
    [
        ("expose: [8000]", 8000),
        ("expose: [8000, 8000/tcp, 53/udp]", 8000),
        ("expose: [8000, 9000]", 0),
        ("expose: ['8000-8001']", 0),
        ("ports: ['80:8000']", 8000),
        ("ports: ['80:8000', '53:53/udp']", 8000),
        ("ports: ['80:8000']\nexpose: [9000]", 0),
        ("", 0),
    ],
)
def test_the_only_port_is_where_a_domain_leads(lines: str, port: int) -> None:
    """`expose` and `ports` tell, where the file names no port."""
    assert web(f"{lines}\nx-cove: {{domain: a.test}}").routes[0].port == port
    assert web(f"{lines}\nx-cove: {{domain: a.test, port: 7}}").routes[0].port == 7


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        ("[8000]", 8000),
        ("['80:8000']", 8000),
        ("['127.0.0.1:80:8000/tcp', '53/udp']", 8000),
        ("['127.0.0.1::8000']", 8000),
        ("['[::1]:80:8000']", 8000),
        ("[{target: 8000, published: 80-90, mode: host}]", 8000),
        ("['8000-8001']", 0),
        ("[80, 81]", 0),
    ],
)
def test_ports_that_are_not_published_are_hints_only(ports: str, port: int) -> None:
    """A file that publishes the port for a proxy of its own needs no change but this."""
    shop = web(f"ports: {ports}\nx-cove: {{publish: false, domain: a.test}}")
    assert (shop.services[0].ports, shop.routes[0].port) == ((), port)


@pytest.mark.parametrize(
    ("lines", "replicas"),
    [
        ("scale: 2", 2),
        ("deploy: {replicas: 2}", 2),
        ("x-cove: {replicas: 2}", 2),
        ("scale: 2\ndeploy: {mode: replicated, replicas: 2}", 2),
        ("deploy: {}", 1),
    ],
)
def test_replicas_have_three_spellings(lines: str, replicas: int) -> None:
    """What is said of them is no option of Compose's any more."""
    (service,) = web(lines).services
    assert (service.replicas, service.options) == (replicas, {})


def test_spellings_of_replicas_must_agree() -> None:
    """Which one counts could not be told."""
    assert found("scale: 2\ndeploy: {replicas: 3}") == [
        "5:13: services.web.deploy: contradicts scale; write one of them"
    ]


@pytest.mark.parametrize(
    ("written", "dependency"),
    [
        ("[db]", Dependency(service="db")),
        ("{db: }", Dependency(service="db")),
        ("{db: {condition: service_started}}", Dependency(service="db")),
        ("{db: {condition: service_healthy}}", Dependency(service="db", condition="healthy")),
        (
            "{db: {condition: service_completed_successfully, restart: true, required: false}}",
            Dependency(service="db", condition="completed", restart=True, required=False),
        ),
    ],
)
def test_dependencies_short_and_long(written: str, dependency: Dependency) -> None:
    """Both forms mean what they mean in Compose."""
    shop = app(f"{WEB}    depends_on: {written}\n  db: {{image: pg}}\n")
    assert shop.service("web").depends_on == (dependency,)


def test_a_dependency_that_may_be_absent_is_left_out_with_its_service() -> None:
    """The other is in no active profile; with one that is, the dependency holds."""
    text = f"{WEB}    depends_on: {{db: {{required: false}}}}\n  db: {{image: pg, profiles: [p]}}\n"
    assert app(text).service("web").depends_on == ()
    assert len(app(f"{text}x-cove: {{profiles: [p]}}\n").service("web").depends_on) == 1


def test_a_circle_is_found_once_and_named() -> None:
    """At the dependency that closes it."""
    text = "services:\n" + "".join(
        f"  {a}: {{image: x, depends_on: [{b}]}}\n" for a, b in ("ab", "bc", "ca", "dc")
    )
    assert problems(text) == [
        "shop.yml:4:30: services.c.depends_on[0]: depends in a circle: a → b → c → a"
    ]


def test_what_cannot_be_read_brings_no_findings_elsewhere() -> None:
    """A service or a definition that is wrong is there all the same."""
    text = (
        f"{WEB}    depends_on: [Db]\n    networks: [n]\n    volumes: ['v:/v']\n"
        "  Db: {image: pg}\nnetworks: {n: {ipam: {}}}\nvolumes: {v: {labels: {}}}\n"
    )
    assert [line.split(": ")[1] for line in problems(text)] == [
        "services.Db",
        "networks.n.ipam",
        "volumes.v.labels",
    ]


def test_profiles_say_which_services_there_are() -> None:
    """Those in no active one are not read: they may hold what cove refuses."""
    text = f"{WEB}  tool: {{image: t, profiles: [a, b]}}\n  dev: {{build: ., profiles: [dev]}}\n"
    assert [s.name for s in app(text).services] == ["web"]
    assert [s.name for s in app(f"{text}x-cove: {{profiles: [b]}}\n").services] == ["web", "tool"]
    assert found("", "x-cove: {profiles: [debug]}\n") == [
        '4:20: x-cove.profiles: no service has the profile "debug"'
    ]


@pytest.mark.parametrize(
    ("written", "attachments"),
    [
        ("[back]", (Attachment(network="back"),)),
        ("{back: }", (Attachment(network="back"),)),
        ("{back: {aliases: [pg, db.x]}}", (Attachment(network="back", aliases=("pg", "db.x")),)),
        ("[default, back]", (Attachment(network="default"), Attachment(network="back"))),
    ],
)
def test_a_service_says_which_networks_it_is_in(
    written: str, attachments: tuple[Attachment, ...]
) -> None:
    """A list or a mapping; only the networks that are used become the app's."""
    text = (
        f"{WEB}    x-cove: {{domain: a.test}}\n  db: {{image: pg, networks: {written}}}\n"
        "networks: {back: {internal: true, driver: bridge, x-a: 1}, unused: , default: {}}\n"
    )
    shop = app(text)
    assert shop.service("db").networks == attachments
    assert shop.networks == (Network(name="back", internal=True),)


def test_what_has_a_domain_is_in_the_apps_default_network_too() -> None:
    """The proxy reaches it there; a companion stays where its file puts it."""
    shop = app(
        f"{WEB}    networks: [back]\n    x-cove: {{domain: a.test}}\n"
        "  db: {image: pg, networks: [back]}\nnetworks: {back: }\n"
    )
    default, back = Attachment(network="default"), Attachment(network="back")
    assert shop.service("web").networks == (default, back)
    assert shop.service("db").networks == (back,)


def test_what_is_external_is_granted_by_its_name_in_docker() -> None:
    """`name` alone says so too."""
    text = (
        f"{WEB}    networks: [m]\n    volumes: ['d:/d', 'own:/o']\n"
        "networks: {m: {external: true}}\nvolumes: {d: {name: old}, own: {driver: local}}\n"
    )
    shop = app(text, granted=["external-network=m", "external-volume=old"])
    assert shop.networks == (Network(name="m", external="m"),)
    assert shop.volumes == (Volume(name="d", external="old"),)
    assert shop.powers == ("external-network=m", "external-volume=old")


def test_configs_and_secrets_become_files() -> None:
    """From files, variables or the file itself; only what that says literally is no secret."""
    shop = app(
        f"{WEB}    configs: [a, {{source: b, target: etc/b, uid: '7', gid: 8, mode: 0440}}]\n"
        "    secrets: [c, {source: c, target: renamed}, {source: c, target: /c, mode: 0o400}]\n"
        "configs: {a: {content: plain}, b: {file: ./a.txt}}\nsecrets: {c: {environment: B}}\n",
        files={"./a.txt": "aa"},
        variables={"B": "bb"},
    )
    files = shop.services[0].files
    secret = EnvValue("bb", sensitive=True)
    assert [(f.target, f.content, f.mode, f.uid, f.gid) for f in files] == [
        ("/a", EnvValue("plain"), 0o444, 0, 0),
        ("/etc/b", EnvValue("aa", sensitive=True), 0o440, 7, 8),
        ("/run/secrets/c", secret, 0o444, 0, 0),
        ("/run/secrets/renamed", secret, 0o444, 0, 0),
        ("/c", secret, 0o400, 0, 0),
    ]


def test_a_config_with_a_variable_in_it_is_secret() -> None:
    """Interpolated values are."""
    text = f"{WEB}    configs: [a]\nconfigs: {{a: {{content: 'x $$ $B'}}}}\n"
    (file,) = app(text, variables={"B": "bb"}).services[0].files
    assert file.content == EnvValue("x $ bb", sensitive=True)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            "configs: [a]\nvolumes: ['v:/a']",
            '4:15: services.web.configs[0]: "/a" is taken already, by services.web.volumes[0]',
        ),
        (
            "secrets: [{source: a, mode: 440}]",
            '4:33: services.web.secrets[0].mode: must be a mode in octal such as "0440", not "440"',
        ),
        (
            "configs: [{source: a, content: x}]",
            '4:27: services.web.configs[0]: unknown key "content"',
        ),
    ],
)
def test_files_are_judged_in_their_place(lines: str, words: str) -> None:
    """One thing at one place; a mode is octal; the Compose form has no content within."""
    beside = "configs: {a: {content: x}}\nsecrets: {a: {content: x}}\nvolumes: {v: }\n"
    assert found(lines, beside)[0].startswith(words)


def test_a_file_that_is_not_there_is_named() -> None:
    """The client sends what it finds."""
    assert found("configs: [a]", "configs: {a: {file: a.conf}}\n") == [
        '5:21: configs.a.file: the file "a.conf" was not found'
    ]


def test_contents_have_a_limit_of_their_own_and_together() -> None:
    """All of it is part of each release."""
    big = {"a": "x" * (500 * 1024 + 1)}
    assert "larger than 500 KB" in found("configs: [a]", "configs: {a: {file: a}}\n", files=big)[0]
    text = "services:\n" + "".join(
        f"  s{i}: {{image: x, configs: [a, {{source: a, target: /b}}]}}\n" for i in range(10)
    )
    lines = problems(f"{text}configs: {{a: {{file: a}}}}\n", files={"a": "x" * 500_000})
    assert [line.partition(": ")[2] for line in lines] == [
        "services: environments, configs and secrets are larger than 8 MB together"
    ]


def test_an_env_file_that_services_share_is_read_once_and_counted_once() -> None:
    """Thirty services may have one; thirty different large ones may not be."""
    files = {f"{i}.env": "A=" + "x" * 100_000 for i in range(25)}
    shared = "services:\n" + "".join(f"  s{i}: {{image: x, env_file: 0.env}}\n" for i in range(25))
    assert len(app(shared, env_files=files).services) == 25
    apart = "services:\n" + "".join(f"  s{i}: {{image: x, env_file: {i}.env}}\n" for i in range(25))
    found_lines = problems(apart, env_files=files)
    assert "the files of all services are larger than 2 MB together" in found_lines[0]


def test_the_short_form_may_have_companions() -> None:
    """The service at the top is named as the app; names need no definition."""
    shop = app(
        "image: a\ndomain: a.test\nvolumes: [d:/d]\nnetworks: [default, back]\n"
        "depends_on: {db: {condition: service_healthy}}\nsecrets: [{source: pw, environment: P}]\n"
        "services:\n"
        "  db: {image: pg, volumes: [db:/x], networks: [back], secrets: [pw], "
        "healthcheck: {test: x}}\n",
        variables={"P": "p"},
    )
    assert [s.name for s in shop.services] == ["shop", "db"]
    assert [r.service for r in shop.routes] == ["shop"]
    assert [s.name for s in shop.companions()] == ["db"]
    assert shop.networks == (Network(name="back"),)
    assert shop.service("db").files == shop.service("shop").files


def test_in_the_short_form_mappings_define_and_lists_use() -> None:
    """With `services` beside it; without, a mapping of volumes is a mistake."""
    definitions = (
        "volumes: {d: {external: true}}\nnetworks: {n: {internal: true}}\n"
        "configs: {c: {content: x}}\nsecrets: {s: {content: y}}\n"
    )
    companion = "{image: b, volumes: ['d:/d'], networks: [n], configs: [c], secrets: [s]}"
    shop = app(
        f"image: a\n{definitions}services: {{b: {companion}}}\n", granted=["external-volume=d"]
    )
    assert shop.service("shop").mounts == ()
    assert shop.networks == (Network(name="n", internal=True),)
    assert [f.target for f in shop.service("b").files] == ["/c", "/run/secrets/s"]
    assert problems("image: a\nvolumes: {d: }\n") == [
        'shop.yml:2:10: volumes: must be a list such as ["uploads:/app/uploads"]'
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("servces: {a: {image: x}}\n", '1:1: unknown key "servces"; did you mean "services"?'),
        ("image: a\nservces: {}\n", '2:1: unknown key "servces"; did you mean "services"?'),
        (
            "services: {a: {image: x}}\nport: 80\n",
            (
                "2:1: port: describes a service: write it under services.NAME.x-cove, or add an "
                "image at the top for a service there"
            ),
        ),
        (
            "services: {a: {image: x}}\ncommand: x\n",
            (
                "2:1: command: describes a service: write it under services.NAME, or add an "
                "image at "
                "the top for a service there"
            ),
        ),
        (
            "services: {a: {image: x, env: {A: b}}}\n",
            "1:26: services.a.env: is not known to Compose; write environment",
        ),
        (
            "services: {a: {image: x, x-cove: {profiles: [a]}}}\n",
            (
                "1:35: services.a.x-cove.profiles: belongs to the service itself; those to "
                "activate "
                "to x-cove.profiles at the top"
            ),
        ),
        (
            "x-cove: {domain: a.test}\nservices: {a: {image: x}}\n",
            "1:10: x-cove.domain: belongs to a service: services.NAME.x-cove",
        ),
        (
            "image: a\nx-cove: {port: 80}\n",
            "2:10: x-cove.port: belongs to a service: services.NAME.x-cove",
        ),
        ("image: a\nversion: '3'\n", "2:1: version: means nothing to Compose any more"),
    ],
)
def test_a_key_in_the_wrong_place_is_told_where_it_belongs(text: str, words: str) -> None:
    """The two forms are close, and people come from Compose."""
    (line, *_) = problems(text)
    assert line.removeprefix("shop.yml:").startswith(words)


def test_extension_keys_are_passed_over() -> None:
    """At the top, in services and in definitions, as in Compose."""
    text = f"x-a: $NOT\n{WEB}    x-b: $NOT\n    networks: [n]\nnetworks: {{n: {{x-c: 1}}}}\n"
    assert app(text).networks == (Network(name="n"),)


@pytest.mark.parametrize("written", ["{web: null}", "{}", "[]", "x", "null", "{web: [x]}"])
def test_services_that_cannot_be_read_are_findings(written: str) -> None:
    """Never an exception of another kind."""
    assert problems(f"services: {written}\n")


def test_a_slip_in_x_cove_is_noticed() -> None:
    """Passed over like other extension keys, it would take the domain with it."""
    assert found("x-cvoe: {domain: a.test}") == [
        '4:5: services.web.x-cvoe: unknown key "x-cvoe"; did you mean "x-cove"?'
    ]
    assert web("x-cvoe: {a: b}").routes == ()
    assert web("x-logging: {health: /}").routes == ()


def test_two_services_cannot_publish_one_port() -> None:
    """Only one of them could have it."""
    text = "services:\n  a: {image: x, ports: ['80:1']}\n  b: {image: x, ports: ['80:2', '81:2']}\n"
    assert problems(text) == [
        (
            "shop.yml:3:25: services.b.ports[0]: port 80 is published twice, first by "
            "services.a.ports[0]"
        )
    ]
