"""The Keras model of students that train together, and what belongs to it alone."""

from kdcl_tf.cohort.cohort import Cohort

__all__ = ["Cohort"]
