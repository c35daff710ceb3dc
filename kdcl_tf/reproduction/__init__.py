"""Reproduces the paper's tables: their rows, the runs behind the rows, and the report."""
