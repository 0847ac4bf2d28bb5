"""Which services may have a `before` command."""

from __future__ import annotations

import pytest

from support.appfile import problems

FILE = """
name: shop
services:
  web: {{image: "acme/shop:1", x-cove: {{domain: shop.test}}}}
  {name}: {{image: "acme/worker:1", x-cove: {{rollout: {{{rollout}}}}}}}
"""


def test_a_companion_has_no_before():
    """Nothing of it starts beside the old one; what to write instead is said."""
    (line,) = problems(FILE.format(name="worker", rollout="before: [migrate]"))
    assert "services.worker.x-cove.rollout: before is for services with a domain" in line
    assert "service_completed_successfully" in line


@pytest.mark.parametrize("name", ["web-r1", "web-r1-2", "web-r12-before"])
def test_names_that_releases_need(name):
    """No service may be called as a release's containers are."""
    (line,) = problems(FILE.format(name=name, rollout="settle: 1s"))
    assert 'must not end like a release ("-r1")' in line
