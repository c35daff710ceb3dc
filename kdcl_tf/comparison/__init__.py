"""Trains the same students in a cohort and alone, and tells what the cohort gains them."""
