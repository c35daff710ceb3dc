"""Faults put into real short runs of kdcl-train, and what became of the runs."""
