"""Messages to channels, by a short-lived child process.

Only the composition roots and tests import it; observation knows it as `Notifier`.
"""

from cove.adapters.notify.notifier import ChildNotifier

__all__ = ["ChildNotifier"]
