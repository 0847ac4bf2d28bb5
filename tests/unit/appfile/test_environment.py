from __future__ import annotations

import pytest

from cove.model.app import EnvValue

from support.appfile import app, problem, problems, service

VARIABLES = {"SECRET": "hunter2", "EMPTY": ""}


@pytest.mark.parametrize("key", ["env", "environment"])
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{A: text, B: 'quoted'}", {"A": "text", "B": "quoted"}),
        ("{A: true, B: 1.10, C: 007, D: no}", {"A": "true", "B": "1.10", "C": "007", "D": "no"}),
        ("{A: '', B: \"\"}", {"A": "", "B": ""}),
        ("{discovery.type: single-node}", {"discovery.type": "single-node"}),
        ("[A=1, 'B=a=b', C=]", {"A": "1", "B": "a=b", "C": ""}),
        ("{A: $$SECRET}", {"A": "$SECRET"}),
        ("{}", {}),
        ("[]", {}),
    ],
)
def test_values_written_in_the_file_are_plain(key, text, values):
    """Both keys take a mapping or a list; numbers and switches stay as they are written."""
    expected = {name: EnvValue(value) for name, value in values.items()}
    assert service(f"{key}: {text}\n").environment == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{A: $SECRET}", "hunter2"),
        ("{A: 'postgres://app:${SECRET}@db'}", "postgres://app:hunter2@db"),
        ("{A: '${NOT:-default}'}", "default"),
        ("[A=$SECRET]", "hunter2"),
    ],
)
def test_values_with_a_variable_in_them_are_sensitive(text, value):
    """Whatever the variable held, and even where only a default was used."""
    found = service(f"env: {text}\n", variables=VARIABLES).environment
    assert found == {"A": EnvValue(value, sensitive=True)}


@pytest.mark.parametrize("text", ["{SECRET: }", "{SECRET: ~}", "[SECRET]", "{SECRET: null}"])
def test_a_name_without_a_value_passes_the_variable_on(text):
    """As in Compose; it is sensitive, as it came from outside."""
    found = service(f"env: {text}\n", variables=VARIABLES).environment
    assert found == {"SECRET": EnvValue("hunter2", sensitive=True)}


def test_an_empty_variable_is_passed_on_as_empty():
    """Empty is set."""
    found = service("env: [EMPTY]\n", variables=VARIABLES).environment
    assert found == {"EMPTY": EnvValue("", sensitive=True)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{NOT: }", "2:7: env.NOT: has no value here, and the variable NOT is not set"),
        ("[NOT]", "2:7: env[0]: has no value here, and the variable NOT is not set"),
        ("{1A: x}", '2:7: env.1A: "1A" is no name of an environment variable'),
        ("{'A B': x}", '2:7: env."A B": "A B" is no name of an environment variable'),
        ("['=x']", '2:7: env[0]: "" is no name of an environment variable'),
        ("[A B=x]", '2:7: env[0]: "A B" is no name of an environment variable'),
        ("[A=1, A=2]", "2:12: env[1]: A was given before, by env[0]"),
        ("{A: [x]}", "2:10: env.A: must be text, not a list"),
        ("{A: {b: c}}", "2:10: env.A: must be text, not a mapping"),
        ("[{A: x}]", '2:7: env[0]: must be text such as "NAME=value", not a mapping'),
        ("A=1", '2:6: env: must be a mapping or a list of "NAME=value"'),
        ('{A: "a\\0b"}', "2:10: env.A: must not contain control characters"),
        ('{A: "\\x1b[0m"}', "2:10: env.A: must not contain control characters"),
    ],
)
def test_what_is_no_environment_is_refused(text, words):
    """With the place of the name or of the value, whichever is wrong."""
    assert problem(f"env: {text}\n") == words


def test_a_value_longer_than_linux_passes_on_is_refused():
    """The kernel would refuse to start the container's process."""
    limit = 128 * 1024 - 1 - len("A=")
    assert len(service(f"env: {{A: {'x' * limit}}}\n").environment["A"].value) == limit
    words = "env.A: the value of A is longer than the 128 KB that Linux passes on"
    assert problem(f"env: {{A: {'x' * (limit + 1)}}}\n") == f"2:10: {words}"


def test_both_keys_together_make_one_environment():
    """Which of them a name stands in makes no difference."""
    found = service("env: {A: 1}\nenvironment: [B=2]\n").environment
    assert found == {"A": EnvValue("1"), "B": EnvValue("2")}


def test_a_name_under_both_keys_is_refused():
    """Neither of the two could be meant to lose."""
    words = "3:15: environment.A: A was given before, by env.A"
    assert problem("env: {A: 1}\nenvironment: {A: 2}\n") == words


@pytest.mark.parametrize(
    "text",
    [
        ".env",
        "[.env]",
        "{path: .env}",
        "[{path: .env, required: true}]",
        ("[.env, {path: no, required: false}]"),
    ],
)
def test_env_files_give_sensitive_values(text):
    """One path, a list, or mappings; every value from a file is a secret."""
    found = service(f"env_file: {text}\n", env_files={".env": "A=1\n"}).environment
    assert found == {"A": EnvValue("1", sensitive=True)}


def test_later_env_files_win_and_the_file_itself_wins_over_all():
    """As in Compose."""
    files = {"one": "A=1\nB=1\nC=1\n", "two": "B=2\nC=2\n"}
    found = service("env_file: [one, two]\nenv: {C: 3}\n", env_files=files).environment
    assert {name: value.value for name, value in found.items()} == {"A": "1", "B": "2", "C": "3"}
    assert not found["C"].sensitive


def test_env_files_may_use_variables():
    """They are filled in from the same place as those of the app file."""
    found = service("env_file: .env\n", env_files={".env": "A=$SECRET"}, variables=VARIABLES)
    assert found.environment["A"].value == "hunter2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (".env", '2:11: env_file: the file ".env" was not found'),
        ("[.env]", '2:12: env_file[0]: the file ".env" was not found'),
        ("{path: .env}", '2:18: env_file.path: the file ".env" was not found'),
        ("{required: false}", "2:11: env_file.path: is required"),
        ("{path: a, format: raw}", None),
        ("$SECRET", "2:11: env_file: must be written out; variables are not supported in it"),
        ("''", "2:11: env_file: must be one line, not empty, without spaces around it"),
        ("[[a]]", "2:12: env_file[0]: must be text, not a list"),
    ],
)
def test_env_files_that_cannot_be_had_are_refused(text, words):
    """A missing file is an error unless the file says that it may be missing."""
    if words is None:
        found = problems(f"image: x\nenv_file: {text}\n", env_files={"a": ""})
        assert found == ['shop.yml:2:21: env_file: unknown key "format"']
    else:
        assert problem(f"env_file: {text}\n", variables=VARIABLES) == words


def test_too_many_env_files_are_refused():
    """Each may be large."""
    words = "2:11: env_file: names 21 files; 20 is the most"
    assert problem(f"env_file: [{', '.join(['.env'] * 21)}]\n", env_files={".env": ""}) == words


def test_findings_in_an_env_file_name_that_file_and_its_line():
    """They follow those of the app file."""
    files = {"a.env": "A=1\nB='x", "b.env": "?"}
    found = problems("image: x\nenv_file: [a.env, b.env]\nport: no\n", env_files=files)
    assert found == [
        'shop.yml:3:7: port: must be a whole number from 1 to 65535, not "no"',
        "a.env:2: the quote ' is not closed",
        "b.env:1: a line must read KEY=value; a value of several lines stands in quotes",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("A=a\x00b", "the value of A must not contain control characters"),
        ("A='" + "x" * 140_000 + "'", "the value of A is longer than the 128 KB that Linux"),
        ("#" + "x" * 1024 * 1024, 'the file ".env" is larger than 1 MB'),
    ],
)
def test_values_from_env_files_are_held_to_the_same_limits(content, words):
    """Where a value came from makes no difference to the kernel."""
    found = problem("env_file: .env\n", env_files={".env": content})
    assert found.startswith(f"2:11: env_file: {words}")


def test_values_passed_on_are_held_to_the_same_limits():
    """A variable may hold anything."""
    words = "2:10: env.A: the value of A must not contain control characters"
    assert problem("env: {A: }\n", variables={"A": "\x1b"}) == words


def test_secrets_are_told_apart_from_what_may_be_stored():
    """The model can give up and take back exactly the sensitive values."""
    found = app("image: x\nenv: {A: 1, B: $SECRET}\n", variables=VARIABLES)
    assert found.secrets() == {"shop": {"B": "hunter2"}}
    assert "hunter2" not in str(found.without_secrets().service("shop").environment["B"].value)


@pytest.mark.parametrize(
    "text",
    [
        "command: serve $SECRET\n",
        "command: [serve, $SECRET]\n",
        "labels: {a: x-$SECRET}\n",
        "healthcheck: {test: check $SECRET}\n",
        "health: /$SECRET\n",
        "services: {db: {image: y, command: $SECRET}}\n",
        "user: '${NONE:-1000}'\nhostname: $SECRET\n",
    ],
)
def test_values_elsewhere_are_noted_to_be_hidden(text):
    """Whatever key that is no environment they stand in, the app says what nobody may read."""
    assert app(f"image: x\n{text}", variables=VARIABLES).hidden == ("hunter2",)


@pytest.mark.parametrize(
    "text",
    [
        "image: x:$SECRET\n",
        "image: x\ndomain: $SECRET.test\nport: 80\n",
        "image: x\nenv: {A: $SECRET}\n",
        "image: x:$SECRET\nlabels: {version: $SECRET}\n",
        "image: x\ncommand: serve\n",
    ],
)
def test_names_that_others_find_it_by_are_not_hidden(text):
    """An image or a domain is no secret, and environment values are kept one by one."""
    assert app(text, variables=VARIABLES).hidden == ()


def test_under_x_cove_its_own_keys_count():
    """A domain there is public, the path of a health check is not."""
    text = (
        "services: {web: {image: x, x-cove: "
        "{domain: $OTHER.test, port: 80, health: /$SECRET}}}\nname: shop\n"
    )
    found = app(text, variables={**VARIABLES, "OTHER": "shop"})
    assert found.hidden == ("hunter2",)
