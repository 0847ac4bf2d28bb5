"""The resident process: wires the parts, serves the API, watches. Nobody imports it."""
