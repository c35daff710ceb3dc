"""Applies one exported student to image files, and writes what it takes them for."""
