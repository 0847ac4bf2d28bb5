"""This machine, read from the kernel's own files and changed with iproute2.

Only the composition roots and tests import it; the core knows it as `cove.ports.Host`.
"""

from cove.adapters.host.linux import LinuxHost

__all__ = ["LinuxHost"]
