"""Where images come from: a module for each kind of `--dataset`, and what it keeps on disk."""
