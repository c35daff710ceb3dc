"""The methods by which students learn together: a file each, each one override of `Cohort`."""

from kdcl_tf.methods.branched.clnn import CLNN
from kdcl_tf.methods.branched.one import ONE
from kdcl_tf.methods.independent import Independent
from kdcl_tf.methods.kdcl import KDCL
from kdcl_tf.methods.mutual_learning import MutualLearning
from kdcl_tf.methods.offline_distillation import OfflineDistillation

__all__ = ["CLNN", "KDCL", "ONE", "Independent", "MutualLearning", "OfflineDistillation"]
