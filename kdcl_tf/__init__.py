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
import importlib.abc
import importlib.util
import sys

__version__ = "0.1.0"

# Public classes, and the modules that define them.
_CLASSES = {
    "KDCL": "methods.kdcl",
    "Independent": "methods.independent",
    "MutualLearning": "methods.mutual_learning",
    "OfflineDistillation": "methods.offline_distillation",
    "ONE": "methods.branched.one",
    "CLNN": "methods.branched.clnn",
    "Cohort": "cohort.cohort",
    "Ensemble": "objectives.ensembles",
    "Naive": "objectives.ensembles",
    "Linear": "objectives.ensembles",
    "MinLogit": "objectives.ensembles",
    "General": "objectives.ensembles",
}
# Public modules: rooms under their own names, and modules inside a room under a short one.
_ROOMS = ("cohort", "data", "evaluation", "methods", "serving", "students", "training")
_ALIASES = {
    "callbacks": "methods.callbacks",
    "ensembles": "objectives.ensembles",
    "losses": "objectives.losses",
    "targets": "objectives.targets",
    "teachers": "serving.teachers",
}

__all__ = sorted([*_CLASSES, *_ROOMS, *_ALIASES])


class _AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import kdcl_tf.targets` find the module in its room, the same object."""

    def find_spec(self, fullname, path=None, target=None):
        package, _, name = fullname.rpartition(".")
        if package != __name__ or name not in _ALIASES:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec):
        module = importlib.import_module(f"{__name__}.{_ALIASES[spec.name.rpartition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        # The import system has just written the alias's spec into the module.
        module.__spec__ = module.__spec__.loader_state


sys.meta_path.append(_AliasFinder())


def __getattr__(name):
    if name in _CLASSES:
        return getattr(importlib.import_module(f"{__name__}.{_CLASSES[name]}"), name)
    if name in _ROOMS or name in _ALIASES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])


if "keras" in sys.modules:
    for _module in (
        *_CLASSES.values(),
        "students.normalization",
        "serving.teachers",
        "training.optimizers",
        "training.schedules",
    ):
        importlib.import_module(f"{__name__}.{_module}")
