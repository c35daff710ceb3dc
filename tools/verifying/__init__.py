"""The checks of `tools/verify_accelerator.py`."""
