from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from script.lib import reference, reference_errors

from cove.appfile import (
    Server,
    attached_files,
    cove_keys,
    dependencies,
    keys,
    load,
    mounts,
    networks,
    reference_compose,
    references,
    routes,
)
from cove.appfile.reference import HEALTH, KEYS, ROLLOUT, ROUTES, Entry
from cove.cli.main import COMMANDS, group
from cove.errors import CoveError, InvalidFile

from support.schema import findings

TOP = Path(__file__).parents[2]
PAGES = sorted(
    [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *(TOP / "examples").rglob("*.md")]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
ENDS = {"|", "||", "&&", ";", "<", ">", ">>", "…", "--"}


def relative(path: Path) -> str:
    """A page as a person would name it."""
    return str(path.relative_to(TOP))


@cache
def text(path: Path) -> str:
    """A page; several tests look at each."""
    return path.read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as they are made of their words."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(path)), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}


def unfenced_links(path: Path) -> Iterator[str]:
    """The targets of a page's links, code left out."""
    yield from LINK.findall(INLINE.sub("", FENCE.sub("", text(path))))


def command_lines(markdown: str) -> Iterator[str]:
    """Every call of cove that a page shows: in sh blocks, after a prompt, and in running text."""
    for kind, block in FENCE.findall(markdown):
        lines = block.splitlines()
        if kind == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        if kind in {"sh", "console"}:
            yield from lines
    yield from (code for code in INLINE.findall(FENCE.sub("", markdown)))


def calls(markdown: str) -> Iterator[list[str]]:
    """The words after `cove` of each call, up to what the shell takes."""
    for line in command_lines(markdown):
        try:
            found = shlex.split(line, comments=True)
        except ValueError:  # running text in code marks, with a lone quote
            continue
        starts = [0, *(i + 1 for i, word in enumerate(found) if word in ENDS | {"sudo"})]
        for start in starts:
            if found[start : start + 1] == ["cove"]:
                words = found[start + 1 :]
                end = next((i for i, word in enumerate(words) if word in ENDS), len(words))
                yield words[:end]


def complaint(words: list[str]) -> str:
    """What is wrong with a call: an unknown command or option; empty when nothing is."""
    command: click.Command = group
    context = click.Context(group, **group.context_settings)
    known = options(command, context)
    for word in words:
        if word.startswith("-") and word != "-":
            if word.partition("=")[0] not in known:
                return f"{' '.join(words)}: no option {word}"
        elif isinstance(command, click.Group) and word.islower():
            found = command.get_command(context, word)
            if found is None and command is group:
                return f"{' '.join(words)}: no command {word}"
            if found is not None:
                command, context = found, click.Context(found, parent=context)
                known |= options(command, context)
    return ""


def options(command: click.Command, context: click.Context) -> set[str]:
    """The options a command knows, in every spelling."""
    return {name for parameter in command.get_params(context) for name in parameter.opts}


def app_files() -> list[tuple[str, str]]:
    """Every app file that the pages show, by page and place."""
    return [
        (f"{relative(page)}-{number}", block)
        for page in PAGES
        for number, (kind, block) in enumerate(FENCE.findall(text(page)))
        if kind == "yaml"
    ]


GRANTS = frozenset({"host-bind=/srv", "docker-socket", "cap=ALL", "network-mode=host"})


def parse(block: str, granted: frozenset[str] = GRANTS) -> None:
    """Reads an app file with every variable and file that it names present."""
    wanted = references(block)
    try:
        load(
            block,
            name="shop.yml",
            env_files=dict.fromkeys(wanted.env_files, "A=1\n"),
            variables=dict.fromkeys(wanted.variables, "x"),
            files=dict.fromkeys(wanted.files, "x"),
            server=Server("/srv/shop", lambda _: granted),
        )
    except InvalidFile as error:
        pytest.fail("\n".join((str(error), *error.problems)))
    assert findings(block) == []


def test_the_reference_is_up_to_date() -> None:
    """What stands in docs/reference is what the code says; `script/docs` writes it."""
    assert sorted(reference.outdated()) == []


def test_nothing_else_lies_in_the_reference() -> None:
    """A document that is no longer written is deleted."""
    assert {path.name for path in reference.FOLDER.iterdir()} == set(reference.documents())


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading of it where it names one."""
    dead = []
    for link in unfenced_links(page):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_commands_exist(page: Path) -> None:
    """Every cove command that a page shows exists, with the options it shows."""
    assert [wrong for words in calls(text(page)) if (wrong := complaint(words))] == []


@pytest.mark.parametrize(("place", "block"), app_files(), ids=[place for place, _ in app_files()])
def test_app_files_can_be_read(place: str, block: str) -> None:
    """Every app file that a page shows is valid."""
    parse(block)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_page_can_be_found(page: Path) -> None:
    """Each page is linked from another one, so that no page is an island."""
    linked = {
        (other.parent / link.partition("#")[0]).resolve()
        for other in PAGES
        if other != page
        for link in unfenced_links(other)
        if "://" not in link
    }
    assert page in linked or page.parent == TOP


@pytest.mark.parametrize(
    ("documented", "known"),
    [
        (KEYS, keys.KNOWN),
        (HEALTH, cove_keys._HEALTH),
        (ROLLOUT, cove_keys._ROLLOUT),
        (ROUTES, routes._FIELDS),
        (reference_compose.TOP.keys, {"services", *keys.COMPOSE}),
        (reference_compose.SERVICE.keys, keys.COMPOSE_SERVICE.keys() - keys.KNOWN.keys()),
        (reference_compose.X_COVE.keys, keys.X_COVE),
        (reference_compose.X_COVE_APP.keys, cove_keys.X_COVE_APP),
        (reference_compose.DEPENDS_ON.keys, dependencies.FIELDS),
        (reference_compose.NETWORK.keys, networks.DEFINITION),
        (reference_compose.ATTACHMENT.keys, networks.ATTACHMENT),
        (reference_compose.VOLUME.keys, mounts.DEFINITION),
        (reference_compose.CONTENT.keys, attached_files.SOURCES),
        (reference_compose.FILE.keys, attached_files.USE),
    ],
)
def test_every_key_is_documented(documented: dict[str, object], known: dict[str, object]) -> None:
    """The reference has each key of the catalogue, and no other."""
    assert set(documented) == set(known)


@pytest.mark.parametrize(
    ("key", "entry"),
    [item for entries in (KEYS, HEALTH, ROLLOUT, ROUTES) for item in entries.items()],
)
def test_every_keys_example_uses_it(key: str, entry: Entry) -> None:
    """An example is a valid app file once it has an image, and holds the key it is for."""
    assert re.search(rf"\b{key}:", entry.example)
    whole = entry.example if key == "image" else f"image: acme/shop:1\n{entry.example}\n"
    parse(whole, frozenset({entry.grant}))


@pytest.mark.parametrize(
    ("table", "key"), [(table, key) for table in reference_compose.TABLES for key in table.keys]
)
def test_every_example_of_the_compose_form_uses_its_key(
    table: reference_compose.Table, key: str
) -> None:
    """Put into its frame it is a valid Compose file."""
    entry = table.keys[key]
    assert re.search(rf"\b{key}:", entry.example)
    parse(table.whole(entry), frozenset({entry.grant}))


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        (f"image: acme/shop:1\n{entry.example}\n", entry.grant)
        for entry in KEYS.values()
        if entry.grant
    ]
    + [
        (table.whole(entry), entry.grant)
        for table in reference_compose.TABLES
        for entry in table.keys.values()
        if entry.grant
    ],
)
def test_an_example_with_a_grant_needs_it(text: str, grant: str) -> None:
    """Without the grant the file is refused, and the finding names the command that gives it."""
    with pytest.raises(InvalidFile) as caught:
        load(text, name="shop.yml", env_files={}, variables={})
    assert [line.partition("cove allow shop ")[2] for line in caught.value.problems] == [grant]


def test_every_error_code_is_found() -> None:
    """The search in the source finds the codes of each kind of error, raised or its own."""
    found = {entry.code for entry in reference_errors.raised()}
    own = {kind.code for kind in CoveError.__subclasses__() if kind.__name__ != "RemoteError"}
    assert {"route-taken", "not-ready", "docker-down", "usage", *own} <= found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cove status", ""),
        ("cove --json deploy shop.yml --why x", ""),
        ("cove certs trust", ""),
        ("cove statsu", "statsu: no command statsu"),
        ("cove status --volumes", "status --volumes: no option --volumes"),
        ("cove certs trust --volumes", "certs trust --volumes: no option --volumes"),
    ],
)
def test_wrong_commands_are_noticed(line: str, expected: str) -> None:
    """The check of commands finds a wrong one wherever it stands."""
    shown = [f"`{line}`", f"```sh\nx | {line} | y  # z\n```", f"```console\n$ sudo {line}\n```"]
    for markdown in shown:
        assert [complaint(words) for words in calls(markdown)] == [expected]


def test_commands_in_the_help_exist() -> None:
    """The examples of the help are held to the same rule."""
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        lines = [line.strip() for line in (command.help or "").splitlines()]
        block = "\n".join(line for line in lines if line.startswith("cove "))
        assert [
            wrong for words in calls(f"```sh\n{block}\n```\n") if (wrong := complaint(words))
        ] == []
