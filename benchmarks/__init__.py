"""Speed and memory, compared with the usual alternatives: `python -m benchmarks`."""
