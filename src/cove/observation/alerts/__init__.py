"""Rules over readings, and telling people. Imports nothing of the rest of observation."""
