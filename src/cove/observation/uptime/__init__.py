"""Whether every route answers, seen from outside. Imports nothing of the rest of observation."""
