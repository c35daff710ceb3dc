"""Two-stage detectors, Faster R-CNN and Mask R-CNN, with students as their backbones."""
