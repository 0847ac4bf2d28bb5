"""The addresses people open. Imported inside `cove.rollout` and by the agent."""

from __future__ import annotations

from cove.model.app import App, Route
from cove.render.traefik import ProxySettings


def release_urls(app: App, proxy: ProxySettings) -> list[str]:
    """One URL per route, in the file's order, with the port only where it is not the usual one."""
    return [route_url(route, proxy) for route in app.routes]


def route_url(route: Route, proxy: ProxySettings) -> str:
    """The URL of a route."""
    scheme, port, usual = (
        ("https", proxy.https_port, 443) if route.encrypted else ("http", proxy.http_port, 80)
    )
    suffix = "" if port == usual else f":{port}"
    return f"{scheme}://{route.domain}{suffix}{route.path if route.path != '/' else ''}"
