from __future__ import annotations

from typing import Any

import pytest
import yaml

from cove.appfile import document
from cove.appfile.document import MAX_BYTES, MAX_NODES, parse
from cove.appfile.problems import Invalid

from support.appfile import IMAGE, app, problem, problems, service


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def loader(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both of PyYAML's parsers: the C one is not built everywhere."""
    name: str = request.param
    monkeypatch.setattr(document, "_LOADER", getattr(yaml, name))
    return name


def finding(text: str) -> str:
    """The one finding of the parser: line, column, words."""
    with pytest.raises(Invalid) as caught:
        parse(text)
    return f"{caught.value.at.line}:{caught.value.at.column}: {caught.value.text}"


@pytest.mark.parametrize(
    "written",
    ["off", "yes", "1.10", "0x1F", "1_000", "2024-01-01", "1:30", "0644", "1e3", "=", "é"],
)
def test_plain_scalars_stay_as_they_were_written(written):
    """Nothing turns into a boolean, a float, a date or a number in base 60."""
    assert service(f"env: {{A: {written}}}\n").environment["A"].value == written


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'it''s'", "it's"),
        ('"a\\tb\\u00e9"', "a\tbé"),
        ('"null"', "null"),
        ("''", ""),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!str null", "null"),
        ("|\n  one\n  two\n", "one\ntwo\n"),
        (">-\n  one\n  two\n", "one two"),
    ],
)
def test_quoted_and_block_scalars_are_text(written, value):
    """Quotes and blocks follow YAML; a quoted null is a word."""
    assert service(f"env:\n A: {written}\n").environment["A"].value == value


def test_anchors_and_merge_keys_work_and_own_keys_win():
    """`<<` brings in what the mapping does not say itself; the earlier source wins."""
    text = """\
x-one: &one {A: "1", B: "1", C: "1"}
x-two: &two {A: "2", D: "2"}
env:
  B: own
  <<: [*one, *two]
"""
    values = {k: v.value for k, v in service(text).environment.items()}
    assert values == {"A": "1", "B": "own", "C": "1", "D": "2"}


def test_a_merge_key_may_hold_a_merge_key():
    """Merging is done from the inside out."""
    text = "x-a: &a {A: 1}\nx-b: &b {<<: *a, B: 2}\nenv: {<<: *b}\n"
    assert list(service(text).environment) == ["A", "B"]


def test_a_finding_in_an_alias_names_the_place_of_the_text_and_the_path_of_the_use():
    """The text is what must be mended, the path says why it counts."""
    assert problem("x-port: &p none\nport: *p\n").startswith("2:9: port: must be a whole number")


def test_extension_keys_at_the_top_are_ignored():
    """As in Compose, whatever they hold, variables included."""
    assert app(f"x-anything: [{{a: $NOT_SET}}]\n{IMAGE}") == app(IMAGE)


@pytest.mark.parametrize("text", ["\ufeff" + IMAGE, IMAGE.replace("\n", "\r\n"), "---\n" + IMAGE])
def test_byte_order_marks_other_line_ends_and_one_document_marker_are_fine(text):
    """Files come from every editor."""
    assert app(text) == app(IMAGE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1:1: the file is empty; it needs at least an image"),
        ("# only a remark\n", "1:1: the file is empty; it needs at least an image"),
        ("- image: x", '1:1: the file must hold keys such as "image: …"'),
        ("\nimage", '2:1: the file must hold keys such as "image: …"'),
        ("a: 1\n---\nb: 2\n", "2:1: a file holds one app: one document"),
        ("a: 1\nb: 2\na: 3\n", '3:1: the key "a" was given before, at 1:1'),
        ("e: {K: 1, K: 2}\n", '1:11: the key "K" was given before, at 1:5'),
        ("? [a]\n: b\n", "1:3: a key must be a plain word"),
        ("a: !!python/object:os.system x", '1:4: the tag "!!python/object:os.system" is not'),
        ("a: !reset []", '1:4: the tag "!reset" is not supported; leave it out'),
        ("a: !!binary aGk=", '1:4: the tag "!!binary" is not supported; leave it out'),
        ("a: {<<: word}", '1:9: "<<" takes a mapping or a list of mappings'),
        ("a: {<<: [word]}", '1:10: "<<" takes a mapping or a list of mappings'),
        ("a: *b", '1:4: not valid YAML: the alias "*…" has no anchor "&…" before it'),
        ("a: [&x 1, &x 2]", '1:11: not valid YAML: an anchor "&…" of this name was given before'),
        ("a: 'b\n\n", "1:4: not valid YAML: a quote is not closed"),
        ("a: @b", "1:4: not valid YAML: this character cannot begin a value; put the value in"),
        ("a: 1\n\tb: 2\n", "2:1: not valid YAML: the line is indented with a tab; YAML wants spa"),
        ("a: 1\n  b: 2\n", '2:4: not valid YAML: a ":" is out of place: check the indentation'),
        ("a: b: c\n", '1:5: not valid YAML: a ":" is out of place: check the indentation'),
        ("a: [1\nb: 2\n", "2:2: not valid YAML: a"),
        ("a: x\x00y", "1:5: the character U+0000 is not allowed in YAML"),
        ("a: x\n\x1b: y", "2:1: the character U+001B is not allowed in YAML"),
        ("a: \ud800", "1:4: the character U+D800 is not allowed in YAML"),
    ],
)
def test_what_is_no_app_file_at_all_is_one_finding_with_its_place(text, line):
    """The reason is for people, the position is that of the offending text."""
    assert finding(text).startswith(line)


def test_text_that_is_no_yaml_becomes_an_invalid_file():
    """The parser's finding reads like every other."""
    (line,) = problems("image: [")
    assert line.startswith("shop.yml:1:9: not valid YAML: ")


def test_a_file_may_not_be_larger_than_its_limit():
    """The size is counted in bytes, so that the limit holds for every script."""
    head = f"{IMAGE}#"
    fits = head + "x" * (MAX_BYTES - len(head))
    assert app(fits) == app(IMAGE)
    assert problems(fits + "x") == ["shop.yml:1:1: the file is larger than 256 KB"]
    assert problems("é" * (MAX_BYTES // 2 + 1)) == problems(fits + "x")


@pytest.mark.parametrize("text", ["a: " + "[" * 60, "a: " + "{b: " * 60, "[" * 100_000])
def test_deep_nesting_is_refused_before_anything_recurses(text):
    """However deep, the answer is a finding."""
    assert finding(text).endswith("values are nested more than 50 deep")


def test_nesting_within_the_limit_is_read():
    """The limit is well above any real file."""
    depth = 48  # the key's mapping and the innermost word count too
    assert list(parse("a: " + "[" * depth + "b" + "]" * depth).entries) == ["a"]


def test_aliases_cannot_multiply():
    """Nine anchors of ten aliases each would be a billion values: refused at the limit."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert finding("\n".join(lines)).endswith(
        f"the file holds more than {MAX_NODES} values, aliases followed"
    )


def test_an_alias_of_itself_is_refused():
    """A loop has no end to read to."""
    assert finding("a: &a [*a]") == "1:4: values are nested more than 50 deep"


def test_a_flat_flood_of_values_is_refused():
    """The limit counts what is written as well."""
    assert "more than 10000 values" in finding("a:\n" + "- b\n" * MAX_NODES)
