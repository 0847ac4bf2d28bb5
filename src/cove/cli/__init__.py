"""The `cove` command: a thin client of the agent. A composition root; nothing imports it."""
