"""The paper's tables: rows, flagfiles, printed numbers, and the scales to run them at."""
