"""Detection and instance segmentation with a student as the backbone."""
