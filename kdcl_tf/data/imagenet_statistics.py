"""The mean colour of ImageNet's images and its deviation, told without TensorFlow.

As every ImageNet recipe has them: a pass over 1.28 million images would find the same.  Per
channel (red, green, blue), in units of 0..1.
"""

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
