"""The paper's tables: rows, flagfiles, printed numbers, and the scales they can be run at."""
