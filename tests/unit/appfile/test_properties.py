"""What must hold for every text, however it came about."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from cove.appfile import load, references
from cove.appfile.keys import KNOWN, SHORT_REFUSED
from cove.errors import InvalidFile
from cove.model import names
from cove.model.app import App

from support.schema import findings

FINDING = re.compile(r"(shop\.yml:[1-9][0-9]*:[1-9][0-9]*|\.env:[1-9][0-9]*): .+")
YAML_LIKE = st.text(alphabet="abimage: ${}[]-\n&*!|>'\"?,#%<~\t", max_size=80)

WORDS = st.sampled_from(
    [
        "",
        "x",
        "1",
        "-1",
        "true",
        "off",
        "null",
        "a.test",
        "/x",
        "a:/b",
        "80:80",
        "1s",
        "64m",
        "$A",
        "${B:-c}",
        "{{a}}",
        "A=1",
        "CMD",
        "../x",
        "é",
        "'",
        "0.5",
        "x" * 300,
        "\x07",
        "a\nb",
        "=",
    ]
)

PARTS = st.sampled_from(
    [
        "domain",
        "path",
        "port",
        "type",
        "source",
        "target",
        "published",
        "size",
        "tmpfs",
        "test",
        "resources",
        "limits",
        "memory",
        "soft",
        "hard",
        "options",
        "driver",
        "A",
        "nofile",
        "tls",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=4),
    max_leaves=8,
)
FILES = st.dictionaries(
    st.sampled_from(sorted({*KNOWN, *SHORT_REFUSED, "x-a"})) | st.text(max_size=5),
    VALUES,
    max_size=8,
)


def load_or_refuse(
    text: str, *, env_files: dict[str, str], variables: dict[str, str]
) -> App | InvalidFile:
    """The app, or why there is none; any other exception fails the test."""
    try:
        return load(text, name="shop.yml", env_files=env_files, variables=variables)
    except InvalidFile as error:
        return error


def check(text: str) -> None:
    """Load a text; every way out but an App or an InvalidFile fails."""
    found = load_or_refuse(text, env_files={"x": "A=1", ".env": text}, variables={"A": ""})
    if isinstance(found, InvalidFile):
        assert found.problems
        assert not [line for line in found.problems if not FINDING.fullmatch(line)]
        return
    assert findings(text) == []  # what the parser accepts, the schema does
    app = found
    (service,) = app.services
    assert names.matches(names.APP, app.name)
    assert service.name == app.name
    for route in app.routes:
        assert names.matches(names.DOMAIN, route.domain)
        assert names.matches(names.PATH, route.path)
        assert "{{" not in route.key


@given(st.text() | YAML_LIKE)
def test_any_text_is_an_app_or_an_invalid_file(text):
    """Nothing else ever leaves, and every finding has its place."""
    check(text)
    check(f"image: x\nenv_file: .env\n{text}")


@given(FILES)
def test_any_mapping_of_keys_is_an_app_or_an_invalid_file(content):
    """Right keys with wrong values in every shape."""
    with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate cannot be written down
        check(yaml.safe_dump({"image": "x", **content}, allow_unicode=True))


@given(FILES)
def test_references_cover_every_variable_that_is_asked_for(content):
    """With what `references` names set, no finding speaks of a variable that is not."""
    text = yaml.safe_dump({"image": "x", **content}, allow_unicode=True)
    variables = dict.fromkeys(references(text).variables, "1")
    found = load_or_refuse(text, env_files={}, variables=variables)
    lines = found.problems if isinstance(found, InvalidFile) else ()
    assert not [line for line in lines if "is not set" in line]


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(max_size=20)))
def test_environment_values_come_back_as_they_were_given(values):
    """Quoted, with dollar signs doubled, a value of any script survives the way into the model."""
    clean = {key: "".join(c for c in value if c.isprintable()) for key, value in values.items()}
    written = {key: value.replace("$", "$$") for key, value in clean.items()}
    text = yaml.safe_dump({"image": "x", "env": written}, default_style='"')
    found = load(text, name="shop.yml", env_files={}, variables={}).services[0].environment
    assert {key: value.value for key, value in found.items()} == clean
    assert not any(value.sensitive for value in found.values())
