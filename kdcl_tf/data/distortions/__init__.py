"""Random distortions of images, each a pure function of its random numbers."""
