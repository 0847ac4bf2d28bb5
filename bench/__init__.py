"""Measurements and the load generator; nothing here is part of the product."""
