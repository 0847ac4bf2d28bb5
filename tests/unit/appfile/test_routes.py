from __future__ import annotations

import pytest

from cove.appfile import certificate_files, load
from cove.errors import InvalidFile
from cove.model import names
from cove.model.app import Route

from support.appfile import IMAGE, app, problem, problems


def routes(text: str) -> tuple[Route, ...]:
    """The routes of a file that has an image already."""
    return app(IMAGE + text).routes


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("domain: shop.test", ["shop.test"]),
        ("domain: [shop.test, www.shop.test]", ["shop.test", "www.shop.test"]),
        ("domain: localhost", ["localhost"]),
        ("domain: xn--bcher-kva.example", ["xn--bcher-kva.example"]),
        ("domain: 1password.example", ["1password.example"]),
        (f"domain: {'a' * 63}.test", ["a" * 63 + ".test"]),
    ],
)
def test_domains_are_short_for_routes(text, domains):
    """Each domain becomes a route of its own to the one service."""
    assert routes(text) == tuple(Route(domain=domain, service="shop") for domain in domains)


def test_a_domain_of_the_greatest_length_is_taken():
    """The limit is DNS's own."""
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(longest) == names.MAX_DOMAIN
    assert routes(f"domain: {longest}")[0].domain == longest


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Shop.Example.com", '"Shop.Example.com" must be lower case: write "shop.example.com"'),
        ("shop.test.", '"shop.test." must not end in a dot: write "shop.test"'),
        (
            "https://Shop.test/a",
            '"https://Shop.test/a" must be a bare domain, without a scheme: write "shop.test"',
        ),
        (
            "shop.test/api",
            '"shop.test/api" must be a bare domain; a path goes into routes: write "shop.test"',
        ),
        (
            "shop.test:8080",
            (
                '"shop.test:8080" must be a bare domain; the container\'s port goes into port: '
                'write "shop.test"'
            ),
        ),
        (
            "bücher.example",
            ('"bücher.example" must be in ASCII, as DNS has it: write "xn--bcher-kva.example"'),
        ),
        (
            "Bücher.example",
            ('"Bücher.example" must be in ASCII, as DNS has it: write "xn--bcher-kva.example"'),
        ),
        (
            "例え.テスト",
            '"例え.テスト" must be in ASCII, as DNS has it: write "xn--r8jz45g.xn--zckzah"',
        ),
        (
            '"a.*.test"',
            '"a.*.test" must have "*" only in "*." before a domain of two parts',
        ),
        ("192.0.2.1", '"192.0.2.1" is an IP address; a route needs a domain'),
        ("192.0.2.1:80", '"192.0.2.1:80" is an IP address; a route needs a domain'),
        ('"2001:db8::1"', '"2001:db8::1" is an IP address; a route needs a domain'),
        ('"[2001:db8::1]"', '"[2001:db8::1]" is an IP address; a route needs a domain'),
        ("192.0.2", '"192.0.2" must not end in a number'),
        ("my_shop.test", '"my_shop.test" must not contain an underscore'),
        ("-shop.test", '"-shop.test" is not a domain'),
        ("shop-.test", '"shop-.test" is not a domain'),
        ("shop..test", '"shop..test" is not a domain'),
        (".shop.test", '".shop.test" is not a domain'),
        ("a b.test", '"a b.test" is not a domain'),
        ("a`b.test", '"a`b.test" is not a domain'),
        ('"a.test\\n"', '"a.test\\n" is not a domain: write "a.test"'),
        ("'a\"b.test'", '"a"b.test" is not a domain'),
        ("'{{a}}.test'", '"{{a}}.test" must not contain "{{" or "}}"'),
        ('""', '"" must not be empty'),
        ("user@shop.test", '"user@shop.test" is not a domain'),
        ("a" * 64 + ".test", f'"{"a" * 64}.test" has a part longer than 63 characters'),
        (".".join(["ab"] * 90), f'"{".".join(["ab"] * 90)[:79]}…" is longer than 253 characters'),
        ("x" * 3000, f'"{"x" * 79}…" is longer than 253 characters'),
        ("[[a]]", None),
    ],
)
def test_what_is_no_domain_is_refused_with_the_one_that_was_meant(written, words):
    """The finding says what is wrong and, where there is one, the spelling that works."""
    if words is None:
        assert problem(f"domain: {written}\n") == "2:10: domain[0]: must be a domain, not a list"
    else:
        assert problem(f"domain: {written}\n") == f"2:9: domain: {words}"


def test_the_long_form_has_every_setting_of_a_route():
    """All keys of a route at once."""
    text = """\
routes:
  - domain: shop.test
    redirect_from: [www.shop.test, shop.example]
  - {domain: shop.test, path: /api/v1, strip_path: true, port: 9000, tls: local}
  - {domain: old.test, redirect_from: older.test, tls: off}
"""
    assert routes(text) == (
        Route(domain="shop.test", service="shop", redirect_from=("www.shop.test", "shop.example")),
        Route(
            domain="shop.test",
            service="shop",
            path="/api/v1",
            strip_path=True,
            port=9000,
            tls="local",
        ),
        Route(domain="old.test", service="shop", redirect_from=("older.test",), tls="off"),
    )


def test_port_and_tls_at_the_top_are_every_routes_default():
    """A route's own setting wins."""
    text = """\
port: 8000
tls: off
routes:
  - domain: a.test
  - {domain: b.test, port: 9000, tls: auto}
"""
    assert [(r.port, r.tls) for r in routes(text)] == [(8000, "off"), (9000, "auto")]


@pytest.mark.parametrize("written", ["auto", "local", "off", "'off'"])
def test_tls_is_a_word(written):
    """`off` is the word, not YAML 1.1's boolean."""
    assert routes(f"domain: a.test\ntls: {written}")[0].tls == written.strip("'")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("false", 'must be auto, local or off, not "false"'),
        ("Auto", 'must be auto, local or off, not "Auto"'),
    ],
)
def test_other_tls_settings_are_refused(written, words):
    """There are three words."""
    assert problem(f"tls: {written}\n") == f"2:6: tls: {words}"


PEM = {"tls/a.crt": "-----BEGIN CERTIFICATE-----\n", "tls/a.key": "-----BEGIN PRIVATE KEY-----\n"}
OWN = "{cert: tls/a.crt, key: tls/a.key}"


def own(text: str) -> tuple[Route, ...]:
    """The routes of a file with certificates beside it."""
    return load(f"image: a\n{text}", name="a.yml", env_files={}, variables={}, files=PEM).routes


def test_a_certificate_of_ones_own_is_taken_from_the_files_that_were_sent():
    """For the whole app, or for one route; the key is a secret."""
    first, second = own(f"tls: {OWN}\nroutes: [{{domain: a.test}}, {{domain: b.test, tls: off}}]\n")
    assert first.tls == "own"
    assert first.certificate
    assert first.certificate.chain == PEM["tls/a.crt"]
    assert first.certificate.key.sensitive
    assert "BEGIN PRIVATE" not in repr(first)
    assert (second.tls, second.certificate) == ("off", None)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{cert: tls/a.crt}", "tls.key"),
        ("{cert: tls/a.crt, key: other.key}", 'the file "other.key" was not found'),
        ("{cert: /etc/a.crt, key: a.key}", "tls.cert: must be a path below the app file's folder"),
        ("{cert: a.crt, key: ../a.key}", "tls.key: must stay below the app file's folder"),
        ("{cert: tls/a.crt, key: tls/a.key, chain: x}", "chain"),
        ("{cert: [a], key: tls/a.key}", "tls.cert: must be text, not a list"),
    ],
)
def test_half_a_certificate_is_refused(written, words):
    """What is missing or unknown is named, with its place."""
    with pytest.raises(InvalidFile) as caught:
        own(f"domain: a.test\ntls: {written}\n")
    assert words in str(caught.value.problems or caught.value.message)


def test_the_paths_of_certificates_are_told_to_who_sends_them():
    """Wherever `tls` may stand, in both forms; what cannot be read draws on nothing.

    What lies outside of the app file's folder is not read.
    """
    text = f"image: a\ntls: {OWN}\nroutes: [{{domain: b.test, tls: {{cert: b, key: c}}}}]\n"
    assert certificate_files(text) == ("tls/a.crt", "tls/a.key", "b", "c")
    compose = f"services: {{web: {{image: a, x-cove: {{domain: a.test, tls: {OWN}}}}}}}\n"
    assert certificate_files(compose) == ("tls/a.crt", "tls/a.key")
    outside = "tls: {cert: /etc/a.crt, key: ../a.key}\nroutes: [{tls: {cert: ~/b, key: c}}]\n"
    assert certificate_files(outside) == ("c",)
    assert certificate_files("tls: [") == certificate_files("tls: auto") == ()


def test_a_wildcard_is_a_domain_but_nothing_to_be_redirected_from_or_to():
    """`*.` and a domain of two parts."""
    assert routes("domain: '*.shop.test'")[0].domain == "*.shop.test"
    for text in (
        "routes: [{domain: a.test, redirect_from: '*.b.test'}]",
        "routes: [{domain: '*.a.test', redirect_from: b.test}]",
    ):
        assert "wildcard" in problem(text)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1.2", "/a-b_c~d", "/%C3%A9", "/@me/(x)", "/.well-known/x"]
)
def test_paths_are_urls_paths(path):
    """RFC 3986's characters, others encoded."""
    assert routes(f"routes: [{{domain: a.test, path: '{path}'}}]")[0].path == path


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("api", 'must start with "/"'),
        ("", 'must start with "/"'),
        ("/a b", '"/a b" is not a URL\'s path; encode other characters as %XX'),
        ("/a`b", '"/a`b" is not a URL\'s path; encode other characters as %XX'),
        ("/a?b", '"/a?b" is not a URL\'s path; encode other characters as %XX'),
        ("/%zz", '"/%zz" is not a URL\'s path; encode other characters as %XX'),
        ("/é", '"/é" is not a URL\'s path; encode other characters as %XX'),
        ("/{id}", '"/{id}" is not a URL\'s path; encode other characters as %XX'),
        ("/{{ x }}", 'must not contain "{{" or "}}"'),
        ("/api/", 'must not have "//" within or "/" at the end: write "/api"'),
        ("//api", 'must not have "//" within or "/" at the end: write "/api"'),
        ("/a/../b", 'must not contain "." or ".." as a part'),
        ("/.", 'must not contain "." or ".." as a part'),
        ("/" + "a" * 1024, "must not be longer than 1024 characters"),
    ],
)
def test_what_is_no_path_is_refused(path, words):
    """Nothing that means something to the proxy's rules passes."""
    text = f"routes:\n- {{domain: a.test}}\n- {{domain: a.test, path: '{path}'}}\n"
    assert problem(text) == f"4:26: routes[1].path: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "domain: [a.test, a.test]",
            ('2:18: domain[1]: "a.test/" is claimed twice, first by domain[0]'),
        ),
        (
            "routes: [{domain: a.test, path: /x}, {domain: a.test, path: /x}]",
            '2:38: routes[1]: "a.test/x" is claimed twice, first by routes[0]',
        ),
        (
            "routes: [{domain: a.test}, {domain: b.test, redirect_from: a.test}]",
            '2:60: routes[1].redirect_from: "a.test/" is claimed twice, first by routes[0]',
        ),
        (
            "routes: [{domain: b.test, redirect_from: [a.test, a.test]}]",
            (
                '2:51: routes[0].redirect_from[1]: "a.test/" is claimed twice, first by '
                "routes[0].redirect_from[0]"
            ),
        ),
        (
            "routes: [{domain: a.test, redirect_from: a.test}]",
            "2:42: routes[0].redirect_from: redirects the domain to itself",
        ),
        (
            "domain: a.test\nroutes: [{domain: b.test}]",
            "3:1: routes: write either domain or routes, not both",
        ),
        (
            "routes: [{domain: b.test}]\ndomain: a.test",
            "3:1: domain: write either domain or routes, not both",
        ),
        ("domain: []", "2:9: domain: must name a domain; leave the key out where there is none"),
        ("routes: []", "2:9: routes: must name a domain; leave the key out where there is none"),
        ("routes: a.test", '2:9: routes: must be a list such as "- domain: …"'),
        ("routes: {domain: a}", '2:9: routes: must be a list such as "- domain: …"'),
        ("routes: [a.test]", "2:10: routes[0]: must be a mapping with a domain"),
        ("routes: [{path: /}]", "2:10: routes[0].domain: is required"),
        ("domain: {a: b}", "2:9: domain: must be a domain or a list of domains, not a mapping"),
        (
            "routes: [{domain: a.test, pth: /}]",
            '2:27: routes[0]: unknown key "pth"; did you mean "path"?',
        ),
        (
            "routes: [{domain: a.test, strip_path: yes}]",
            '2:39: routes[0].strip_path: must be true or false, not "yes"',
        ),
    ],
)
def test_routes_that_cannot_be_meant_are_refused(text, words):
    """Claims are unique, each route has a domain, and only one of the two forms is used."""
    assert problem(text + "\n") == words


def test_different_paths_of_one_domain_are_different_claims():
    """Only the same domain and path clash."""
    text = "routes: [{domain: a.test}, {domain: a.test, path: /x}]"
    assert [r.key for r in routes(text)] == ["a.test/", "a.test/x"]


@pytest.mark.parametrize("key", ["allow", "basic_auth", "headers", "rate_limit", "rule"])
def test_rules_of_a_later_version_are_refused_by_name(key):
    """They are not unknown: a file from the future is told so."""
    words = f"2:27: routes[0].{key}: is not supported yet"
    assert problem(f"routes: [{{domain: a.test, {key}: x}}]\n") == words


def test_a_route_to_another_service_is_refused():
    """The short form has one service."""
    assert "is not needed: a route leads to" in problem("routes: [{domain: a.test, service: x}]\n")


def test_one_bad_route_hides_no_other():
    """Each route is judged by itself."""
    text = "routes:\n- {domain: A.test}\n- {domain: b.test, path: x}\n- {domain: c.test, port: 0}\n"
    assert [line.split(": ")[1] for line in problems(IMAGE + text)] == [
        "routes[0].domain",
        "routes[1].path",
        "routes[2].port",
    ]
