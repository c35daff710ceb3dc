"""Weights to start from: files read as the variables of a student, by their paths.

Importing this package imports neither TensorFlow nor Keras.
"""
