"""What the public is told of uptime: figures become a board, and a board becomes documents.

Beside `observation.uptime` and `observation.alerts`, of which it uses pure functions. Imported by
the agent.
"""
