"""Measures students that are trained and exported."""
