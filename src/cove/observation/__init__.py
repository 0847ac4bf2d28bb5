"""Seeing what runs: logs, metrics, uptime, alerts. It speaks to the world through ports alone."""
