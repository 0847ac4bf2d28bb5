"""What the benchmarks share: an instance of cove of their own, images, the machine's facts."""
