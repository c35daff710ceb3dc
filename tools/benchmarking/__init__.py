"""What `tools/benchmark.py` can measure, a file a comparison."""
