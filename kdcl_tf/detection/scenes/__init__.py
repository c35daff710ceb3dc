"""Images whose objects have a box, a class and perhaps a mask, and the views to train on."""
