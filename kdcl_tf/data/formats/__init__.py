"""Kinds of image files: their sizes, orientations and pixels, as Pillow has them."""
