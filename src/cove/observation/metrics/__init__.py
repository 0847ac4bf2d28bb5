"""Measuring: from counters to rows, and from rows to what is shown. Imported by the agent."""

from cove.observation.metrics.sampler import Sampler, Sources
from cove.observation.metrics.views import MetricViews

__all__ = ["MetricViews", "Sampler", "Sources"]
