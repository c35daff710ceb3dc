"""TFRecord files: which a folder has, of which split they are, and where their images lie."""
