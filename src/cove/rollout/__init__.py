"""Doing what was planned: the executor, its operations, recovery, and the use cases around them.

Works with the world only through `cove.ports`; imported by the agent.
"""
