"""Logs: read from Docker exactly once, put together, kept, searched, followed.

Imported by the agent. It knows Docker and the store by `cove.ports.logs` alone.
"""
