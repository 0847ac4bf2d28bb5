from __future__ import annotations

from typing import Any

import pytest

from support.calling import Cove
from support.fake_agent import FakeAgent

PATH = "/v1/status-pages"
PAGE: dict[str, Any] = {
    "domain": "status.example.com",
    "url": "https://status.example.com/",
    "title": "Status",
    "apps": [{"app": "shop", "label": "Web shop"}],
    "every": False,
    "domains": False,
    "maintenance": False,
    "shown": ["Web shop"],
    "missing": [],
    "certified": True,
}


def test_only_what_is_given_is_sent(cove: Cove, agent: FakeAgent) -> None:
    """So that a change of the title shows no app that was not shown before."""
    agent.answers["POST", PATH] = (200, {"page": PAGE, "notes": []})
    assert cove("status-page", "set", "Status.Example.com", "--title", "Example") == 0
    assert cove.out == "https://status.example.com/ shows Web shop\n"
    arguments = ["--app", "shop=Web shop", "--app", "blog", "--domains", "--no-maintenance"]
    assert cove("status-page", "set", "status.example.com", "--only", *arguments) == 0
    first, second = agent.bodies("POST", PATH)
    assert first == {"domain": "status.example.com", "title": "Example"}
    assert second == {
        "domain": "status.example.com",
        "apps": [{"app": "shop", "label": "Web shop"}, {"app": "blog", "label": ""}],
        "every": False,
        "domains": True,
        "maintenance": False,
    }


def test_every_app_means_those_to_come(cove: Cove, agent: FakeAgent) -> None:
    """That is said; and so is why a certificate is not there."""
    page = {**PAGE, "every": True}
    agent.answers["POST", PATH] = (200, {"page": page, "notes": ["no certificate yet: x"]})
    assert cove("status-page", "set", "status.example.com", "--all") == 0
    assert agent.bodies("POST", PATH) == [{"domain": "status.example.com", "every": True}]
    assert "deployed later" in cove.err
    assert "no certificate yet" in cove.err


@pytest.mark.parametrize("app", ["=Label", "Shop", "a b=c"])
def test_what_can_be_no_app_is_not_sent(cove: Cove, agent: FakeAgent, app: str) -> None:
    """It is a usage error."""
    assert cove("status-page", "set", "status.example.com", "--app", app) == 2
    assert agent.bodies("POST", PATH) == []


def test_pages_are_listed_with_what_is_wrong(cove: Cove, agent: FakeAgent) -> None:
    """A certificate that is missing, an app that is gone; as JSON they are as the agent says."""
    pages = [{**PAGE, "certified": False, "missing": ["blog"]}]
    agent.answers["GET", PATH] = (200, {"pages": pages})
    assert cove("status-page") == 0
    assert "Web shop" in cove.out
    assert "no certificate yet" in cove.err
    assert "there is no app blog any more" in cove.err
    assert cove("status-page", "list", "--json") == 0
    assert cove.answer == {"v": 1, "pages": pages}


def test_without_a_page_the_way_to_one_is_said(cove: Cove, agent: FakeAgent) -> None:
    """With the command."""
    agent.answers["GET", PATH] = (200, {"pages": []})
    assert cove("status-page", "list") == 0
    assert "cove status-page set DOMAIN --app APP" in cove.out


def test_a_page_is_removed_by_its_domain(cove: Cove, agent: FakeAgent) -> None:
    """However it is written."""
    agent.answers["POST", f"{PATH}/remove"] = (200, {"domain": "status.example.com"})
    assert cove("status-page", "remove", "STATUS.example.com") == 0
    assert agent.bodies("POST", f"{PATH}/remove") == [{"domain": "status.example.com"}]
    assert "is removed" in cove.out
