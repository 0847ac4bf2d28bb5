"""Traefik, through the files it watches and the API it answers. Imported by the agent only."""

from cove.adapters.traefik.api import TraefikApi
from cove.adapters.traefik.metrics import TraefikMeters
from cove.adapters.traefik.provider import TraefikProxy

__all__ = ["TraefikApi", "TraefikMeters", "TraefikProxy"]
