"""Formats of files for other runtimes: LiteRT on phones, and ONNX.

Importing this package imports neither TensorFlow nor what the extra `export` installs.
"""
