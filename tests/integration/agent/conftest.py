"""A real agent for each module, and the images its apps run."""

from support.fixtures import agent, images

__all__ = ["agent", "images"]
