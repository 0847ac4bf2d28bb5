"""cove: the comfortable minimum for running containers."""

__version__ = "0.1.0"
