"""Measures students that are trained and exported."""

from kdcl_tf.evaluation.scores import expected_calibration_error, scores

__all__ = ["expected_calibration_error", "scores"]
