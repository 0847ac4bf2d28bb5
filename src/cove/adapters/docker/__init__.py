"""Docker Engine through its HTTP API. Imported by the composition roots only."""

from cove.adapters.docker.client import DockerClient, socket_path
from cove.adapters.docker.collecting import DockerLogs
from cove.adapters.docker.engine import DockerEngine
from cove.adapters.docker.execution import DockerCommands
from cove.adapters.docker.subjects import DockerSubjects

__all__ = [
    "DockerClient",
    "DockerCommands",
    "DockerEngine",
    "DockerLogs",
    "DockerSubjects",
    "socket_path",
]
