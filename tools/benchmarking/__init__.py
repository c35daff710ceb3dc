"""What `tools/benchmark.py` can measure, one file for each comparison or subject."""
