"""Checks from outside: of a container by its address, of a route through the proxy.

Only the composition roots and tests import it; the core knows the ports `Probe` and `RouteProbe`.
"""

from cove.adapters.probe.outside import ProxyProbe
from cove.adapters.probe.readiness import HttpProbe

__all__ = ["HttpProbe", "ProxyProbe"]
