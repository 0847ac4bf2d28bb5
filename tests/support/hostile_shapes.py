"""App files that are wrong in themselves, and those that only look as if they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from support.hostile_case import Hostile, web


def proxy() -> Iterator[Hostile]:
    """What reaches Traefik's rules."""
    for domain, words in (
        ("{{ env `SECRET` }}", "{{"),
        ("a.test`) || Host(`b.test", "lower case"),
        ("a.test\\`", "not a domain"),
        ("*.test", "two parts"),
        ("a.test/b", "path"),
        ("https://a.test", "scheme"),
        ("10.0.0.1", "IP address"),
        ("\u0430pple.test", "ASCII"),
        ("a..test", "not a domain"),
        ("a.test.", "dot"),
        ("A.test", "lower case"),
        ("a_b.test", "underscore"),
        ("$D", "{{"),
    ):
        yield Hostile(
            f"a domain that is none: {domain}",
            web(f"x-cove: {{domain: '{domain}'}}"),
            (4, "services.web.x-cove.domain"),
            words,
            (),
            {"D": "{{x}}.test"},
        )
    for line, key, words in (
        ("path: '/a`)'", "path", "URL's path"),
        ("path: '/{{x}}'", "path", "{{"),
        ("path: '/a/../b'", "path", '".."'),
        ("path: a", "path", '"/"'),
        ("rule: 'Host(`b.test`)'", "rule", "not supported"),
        ("service: other", "service", "is not needed"),
        ("port: 0", "port", "1 to 65535"),
        ("port: 99999", "port", "1 to 65535"),
        ("redirect_from: ['{{x}}']", "redirect_from[0]", "{{"),
    ):
        yield Hostile(
            f"a route: {line}",
            web(f"x-cove: {{routes: [{{domain: a.test, {line}}}]}}"),
            (4, f"services.web.x-cove.routes[0].{key}"),
            words,
        )
    yield Hostile(
        "a domain that two services claim",
        "services:\n  a: {image: x, x-cove: {domain: a.test}}\n"
        "  b: {image: x, x-cove: {domain: a.test}}\n",
        (3, "services.b.x-cove.domain"),
        "claimed twice",
    )
    yield Hostile(
        "a domain outside x-cove",
        web("domain: a.test"),
        (4, "services.web.domain"),
        "under x-cove",
    )
    for line, path, words in (
        ("x-cove: {health: {path: '/a b'}}", "x-cove.health.path", "URL's path"),
        ("x-cove: {health: {interval: 1us}}", "x-cove.health.interval", "50ms"),
        ("x-cove: {publish: maybe}", "x-cove.publish", "true or false"),
        ("x-cove: [domain]", "x-cove", "mapping"),
        ("x-cove: {privileged: true}", "x-cove", "unknown key"),
        ("ports: ['80']", "ports[0]", "host's port"),
        ("ports: ['1-65535:1-65535']", "ports[0]", "20 is the most"),
        ("expose: ['70000']", "expose[0]", "1 to 65535"),
    ):
        yield Hostile(f"refused: {line}", web(line), (4, f"services.web.{path}"), words)


def names() -> Iterator[Hostile]:
    """Names that would collide, or are none."""
    for name, words in (
        ("Web", "lower-case"),
        ("../web", "lower-case"),
        ("a b", "lower-case"),
        ("wéb", "lower-case"),
        ("-web", "lower-case"),
        ("a" * 41, "lower-case"),
        ("a.b", "lower-case"),
        ("$X", "lower-case"),
    ):
        path = name if name.replace(".", "").replace("/", "").replace("-", "").isalnum() else ""
        path = f"services.{name}" if path and name.isascii() else f'services."{name}"'
        text = f"services:\n  '{name}': {{image: x}}\n"
        yield Hostile(f"no name of a service: {name}", text, (2, path), words)
    for other, words in (
        ("web-r1", "like a release"),
        ("web-r12-2", "like a release"),
        ("worker-2", "a replica"),
    ):
        text = f"services:\n  worker: {{image: x, scale: 3}}\n  {other}: {{image: x}}\n"
        yield Hostile(f"a name that cove gives: {other}", text, (3, f"services.{other}"), words)
    yield Hostile(
        "two names that are one where only letters count",
        "services:\n  web-a: {image: x}\n  web_a: {image: x}\n",
        (3, "services.web_a"),
        'differs from "web-a"',
    )
    yield Hostile(
        "a companion that is called like the app",
        "name: shop\nimage: x\nservices:\n  shop: {image: y}\n",
        (4, "services.shop"),
        "the name of the app",
    )
    yield Hostile("an app's name that climbs", f"name: ../x\n{web('')}", (1, "name"), "lower-case")
    yield Hostile(
        "another name under x-cove",
        f"name: a\nx-cove: {{name: b}}\n{web('')}",
        (2, "x-cove.name"),
        "another name",
    )


_ON_B: Final = "a: {{image: x, depends_on: {{b: {{condition: {}}}}}}}\n"


def graphs() -> Iterator[Hostile]:
    """Dependencies that cannot hold."""
    for lines, place, words in (
        ("a: {image: x, depends_on: [a]}", (2, "services.a.depends_on[0]"), "itself"),
        (
            "a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}",
            (3, "services.b.depends_on[0]"),
            "a → b → a",
        ),
        (
            "a: {image: x, depends_on: [bd]}\n  db: {image: x}",
            (2, "services.a.depends_on[0]"),
            'no service "bd"',
        ),
        (
            "a: {image: x, depends_on: [b, b]}\n  b: {image: x}",
            (2, "services.a.depends_on[1]"),
            "given before",
        ),
        (
            "a: {image: x, depends_on: {b: {condition: service_gone}}}\n  b: {image: x}",
            (2, "services.a.depends_on.b.condition"),
            "service_started",
        ),
        (
            "a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [p]}",
            (2, "services.a.depends_on[0]"),
            "active profiles",
        ),
        (
            (_ON_B.format("service_healthy") + "  b: {image: x, healthcheck: {disable: true}}"),
            (2, "services.a.depends_on.b"),
            "never be healthy",
        ),
        (
            (_ON_B.format("service_completed_successfully") + "  b: {image: x, restart: always}"),
            (2, "services.a.depends_on.b"),
            "never completes",
        ),
        (
            (
                _ON_B.format("service_completed_successfully")
                + "  b: {image: x, x-cove: {domain: b.test}}"
            ),
            (2, "services.a.depends_on.b"),
            "never completes",
        ),
    ):
        yield Hostile(f"a dependency: {words}", f"services:\n  {lines}\n", place, words)
    many = "".join(f"  s{i}: {{image: x}}\n" for i in range(51))
    yield Hostile("too many services", f"services:\n{many}", (2, "services"), "50 is the most")
    many = "".join(f"  s{i}: {{image: x, scale: 10}}\n" for i in range(4))
    yield Hostile("too many containers", f"services:\n{many}", (5, "services"), "addresses")
    many = "".join(
        f"  s{i}: {{image: x, scale: 8, x-cove: {{domain: a{i}.test}}}}\n" for i in range(2)
    )
    yield Hostile("too many during a rollout", f"services:\n{many}", (3, "services"), "twice")


def yaml() -> Iterator[Hostile]:
    """Texts that are heavy, or that YAML's own features make dangerous."""
    bomb = "x-a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 9):
        bomb += f"x-a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"
    yield Hostile("aliases that multiply", bomb + web(""), (1, ""), "more than 10000 values")
    yield Hostile("nesting without end", web(f"command: {'[' * 100}{']' * 100}"), (4, ""), "nested")
    yield Hostile("a huge file", web("") + "#" * 300_000, (1, ""), "larger than 256 KB")
    yield Hostile(
        "a tag that makes objects", web("command: !!python/object:os.x {}"), (4, ""), "tag"
    )
    yield Hostile("a tag of Compose's", web("ports: !reset []"), (4, ""), "tag")
    yield Hostile("a second document", web("") + "---\n" + web(""), (4, ""), "one document")
    yield Hostile(
        "a key twice", web("privileged: false\nprivileged: true"), (5, ""), "given before"
    )
    yield Hostile("a control character", web("user: '\x1b[2J'"), (4, ""), "U+001B")
    yield Hostile("a byte order mark within", web("user: 'a\ufffeb'"), (4, ""), "U+FFFE")
    yield Hostile("services that are none", "services: [web]\n", (1, "services"), "mapping")
    yield Hostile("a service that is none", "services: {web: x}\n", (1, "services.web"), "mapping")
    yield Hostile("no service", "services: {}\n", (1, "services"), "must hold a service")
    yield Hostile(
        "no image", "services: {web: {user: root}}\n", (1, "services.web.image"), "required"
    )
    yield Hostile("an unknown key", web("privilegd: true"), (4, "services.web"), "privileged")
    yield Hostile("keys of no service", web("", "privileged: true\n"), (4, "privileged"), "NAME")
    yield Hostile(
        "a variable that is not set",
        web("user: $NOBODY"),
        (4, "services.web.user"),
        "NOBODY is not set",
    )
    yield Hostile(
        "variables nested without end",
        web("user: '" + "${A:-" * 30 + "}" * 30 + "'"),
        (4, "services.web.user"),
        "nested",
    )
    yield Hostile(
        "variables that grow",
        web("command: ['" + "$A" * 1000 + "']"),
        (4, "services.web.command[0]"),
        "grows beyond",
        (),
        {"A": "x" * 100_000},
    )


HARMLESS: Final = (
    ("a power that nothing takes up", web("user: root", "x-evil: {privileged: true}\n")),
    ("a power refused to itself", web("privileged: false")),
    (
        "a service with the socket in no active profile",
        web("", "  evil: {image: x, profiles: [p], volumes: ['/run/docker.sock:/x'], build: .}\n"),
    ),
    ("capabilities that Docker gives anyway", web("cap_drop: [ALL]\ncap_add: [CHOWN, CAP_SETUID]")),
    ("hardening", web("security_opt: ['no-new-privileges:true']\nread_only: true")),
    ("its own namespaces", web("ipc: private\ncgroup: private")),
    ("a command for a shell", web("command: [sh, -c, 'rm -rf / ; $$(reboot) `id` {{x}}']")),
    ("a template in the environment", web("environment: {A: '{{ env `X` }}', B: '$${HOME}'}")),
    ("a variable with a dollar sign in it", web("environment: {A: $SECRET}\nuser: $USER")),
    ("dollar signs in labels", web("labels: {a: '$${HOME} $$X'}")),
    (
        "a volume called like a socket",
        web("volumes: ['docker.sock:/x']", "volumes: {docker.sock: }\n"),
    ),
    (
        "networks called like Docker's",
        web("networks: [host, none]", "networks: {host: , none: }\n"),
    ),
    ("a service called like a network's mode", "services: {host: {image: x}, none: {image: y}}\n"),
    ("the host's address by name", web("extra_hosts: ['host.docker.internal:host-gateway']")),
    ("root in the container", web("user: '0:0'")),
    ("no network for a companion", web("", "  job: {image: x, network_mode: none}\n")),
    ("text that is no YAML 1.2 boolean", web("environment: {A: yes, B: off, C: 1.10}")),
    ("a config with a template", web("configs: [c]", "configs: {c: {content: '{{x}} $${Y}'}}\n")),
    ("letters of all scripts", web("environment: {A: 'дом 家 🏠'}\nlabels: {a: '\u202e'}")),
    ("an old version", 'version: "2.1"\n' + web("")),
)
