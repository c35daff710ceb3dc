"""Students as SavedModels, which take uint8 images and need only TensorFlow."""

from kdcl_tf.serving.saved_model.loading import load_student
from kdcl_tf.serving.saved_model.writing import export_function, export_student, with_cost

__all__ = ["export_function", "export_student", "load_student", "with_cost"]
