"""Keeps every routed domain certified, whatever rollouts do; speaks to the world through ports.

A layer beside `cove.rollout`: neither imports the other. Imported by the agent.
"""
