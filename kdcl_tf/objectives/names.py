"""The names of the ensembles, which settings and flags read without TensorFlow."""

__all__ = ["ENSEMBLES"]

ENSEMBLES = ("naive", "linear", "min_logit", "general")
