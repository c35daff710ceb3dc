"""Online knowledge distillation via collaborative learning, in TensorFlow and Keras 3.

    import keras, kdcl_tf

    cohort = kdcl_tf.KDCL(
        {"small": kdcl_tf.students.build("resnet20", num_classes=100),
         "large": kdcl_tf.students.build("wrn_16_2", num_classes=100)},
        ensemble="min_logit", temperature=2.0)
    cohort.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    cohort.fit(train, validation_data=test)
    cohort.students["small"].save("small.keras")

Names are resolved on first use, so that `import kdcl_tf` (and with it `kdcl-train --help`)
does not wait for TensorFlow.  Where Keras is imported already there is nothing to wait for:
then all that can be loaded from a `.keras` file is registered at once.
"""

import importlib
import sys

__version__ = "0.1.0"

_HOMES = {
    "KDCL": "methods.kdcl",
    "Independent": "methods.independent",
    "MutualLearning": "methods.mutual_learning",
    "OfflineDistillation": "methods.offline_distillation",
    "ONE": "methods.one",
    "CLNN": "methods.clnn",
    "Cohort": "cohort",
    "Ensemble": "ensembles",
    "Naive": "ensembles",
    "Linear": "ensembles",
    "MinLogit": "ensembles",
    "General": "ensembles",
}
_MODULES = (
    "callbacks",
    "cohort",
    "data",
    "ensembles",
    "evaluation",
    "losses",
    "methods",
    "serving",
    "students",
    "targets",
    "teachers",
    "training",
)

__all__ = sorted([*_HOMES, *_MODULES])


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"kdcl_tf.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"kdcl_tf.{name}")
    raise AttributeError(f"module 'kdcl_tf' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])


if "keras" in sys.modules:
    for _module in (
        *_HOMES.values(),
        "students.normalization",
        "teachers",
        "training.optimizers",
        "training.schedules",
    ):
        importlib.import_module(f"kdcl_tf.{_module}")
