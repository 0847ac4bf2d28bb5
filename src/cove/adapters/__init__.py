"""Adapters: each fulfils a protocol of `cove.ports` for one third party; none imports another."""
