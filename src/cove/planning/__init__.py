"""Deciding, purely: what was asked and what runs become operations, each with its cause.

Imports the model and ports' facts. Does nothing, reads no clock, touches no network.
"""
