"""How cove names what it creates on a machine. Imported by render, adapters and the agent."""

from __future__ import annotations

from msgspec import Struct

from cove.model.app import DEFAULT_NETWORK

LABEL_INSTANCE = "cove.instance"
LABEL_APP = "cove.app"
LABEL_RELEASE = "cove.release"
LABEL_SERVICE = "cove.service"
LABEL_CONFIG = "cove.config"  # what a companion was made of; it is replaced when that changes
LABEL_NETWORK = "cove.network"


class Naming(Struct, frozen=True):
    """The names of one cove instance; several may live on one machine.

    `prefix` is `cove` for the default data directory, else `cove_` and a short id: with a dash it
    could be mistaken for an app of another instance.
    """

    prefix: str

    def project(self, app: str) -> str:
        """The app's Compose project."""
        return f"{self.prefix}-{app}"

    def container(self, app: str, service: str) -> str:
        """A container of the app.

        With a dot, which neither part holds: Compose's own names would let `api` of `shop-web`
        clash with `web-api` of `shop`.
        """
        return f"{self.prefix}-{app}.{service}"

    def network(self, app: str, name: str = DEFAULT_NETWORK) -> str:
        """One of the app's bridge networks."""
        base = f"{self.prefix}-{app}"
        return base if name == DEFAULT_NETWORK else f"{base}_{name}"

    def network_inside(self, app: str, network: str) -> str:
        """The name inside the app of one of its networks; empty for any other network."""
        base = self.network(app)
        if network == base:
            return DEFAULT_NETWORK
        return network.removeprefix(f"{base}_") if network.startswith(f"{base}_") else ""

    def volume(self, app: str, name: str) -> str:
        """A volume of the app, as Compose itself would name it."""
        return f"{self.prefix}-{app}_{name}"

    def image_tag(self, app: str, service: str, release: int) -> str:
        """cove's own tag, which keeps an image from being pruned while a release needs it."""
        # An underscore may stand in a project's name but not in the host part of a reference.
        return f"{self.prefix.replace('_', '-')}.local/{app}/{service}:r{release}"

    @property
    def proxy_project(self) -> str:
        """The proxy's Compose project; an app's never ends so, since app names hold no `_`."""
        return f"{self.prefix}_proxy"
