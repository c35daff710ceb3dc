"""What the programs share: their command line, and a run from flags to its end."""
