"""What cove talks about: apps, releases, events. Pure data; imports nothing of cove but errors."""
