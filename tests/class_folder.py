"""A temporary folder that all tests of a class share."""

import pathlib
import tempfile


def make(test_class):
    """Makes a folder that goes after the last test of the class; call it in `setUpClass`."""
    temporary = tempfile.TemporaryDirectory()
    test_class.addClassCleanup(temporary.cleanup)
    return pathlib.Path(temporary.name)
