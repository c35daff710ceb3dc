"""Draws the pictures of the documentation, see `tools/figures.py`."""
