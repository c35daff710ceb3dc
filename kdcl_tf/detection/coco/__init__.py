"""COCO: its folders and JSON files, its TFDS set, and its scorer."""
