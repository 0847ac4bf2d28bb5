"""Docker Compose v2 as a child process. Imported by the composition roots only."""

from cove.adapters.compose.binary import Compose, find_compose
from cove.adapters.compose.composer import ComposeComposer
from cove.adapters.compose.runner import ComposeRunner

__all__ = ["Compose", "ComposeComposer", "ComposeRunner", "find_compose"]
