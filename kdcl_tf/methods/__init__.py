"""Ways for students to learn together, one file each, each one override of `Cohort`."""

from kdcl_tf.methods.independent import Independent
from kdcl_tf.methods.kdcl import KDCL
from kdcl_tf.methods.mutual_learning import MutualLearning

__all__ = ["Independent", "KDCL", "MutualLearning"]
