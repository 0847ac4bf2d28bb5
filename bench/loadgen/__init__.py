"""The parts of the load generator; `bench.load` is the way in."""
