"""Speed of the core, as rates and as ratios within one run: `python -m benchmarks.throughput`."""
