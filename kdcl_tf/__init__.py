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
does not wait for TensorFlow.  What a `.keras` file may hold is registered with Keras as soon
as both are imported, in whatever order.
"""

import importlib
import importlib.abc
import importlib.util
import sys
import threading

__version__ = "1.0.0"

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

# Modules that define what else a `.keras` file may hold.
_REGISTERED = (
    "cohort.optimizers.student_optimizers",
    "students.normalization",
    "serving.teachers",
    "training.optimizers",
    "training.schedules",
)

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


class _KerasWatch(importlib.abc.MetaPathFinder):
    """Registers what a `.keras` file may hold once Keras has been imported, and then goes.

    Keras looks a class up by its registered name, and imports no module to find it.  Where a module
    of the package imports Keras, it is first imported whole: others import names from it.
    """

    def __init__(self):
        self._busy = threading.local()

    def find_spec(self, fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        is_own = package == __name__ and name not in _ALIASES
        if not (fullname == "keras" or is_own) or getattr(self._busy, "asking", False):
            return None
        self._busy.asking = True
        try:
            others = (each.find_spec(fullname, path, target) for each in list(sys.meta_path))
            spec = next((each for each in others if each), None)
        finally:
            self._busy.asking = False
        if spec and spec.loader:
            self._watch(spec.loader)
        return spec

    def _watch(self, loader):
        execute = loader.exec_module

        def exec_module(module):
            depth = getattr(self._busy, "depth", 0)
            self._busy.depth = depth + 1
            try:
                execute(module)
            finally:
                self._busy.depth = depth
            if not depth and "keras" in sys.modules and self in sys.meta_path:
                sys.meta_path.remove(self)
                _register()

        loader.exec_module = exec_module


def _register():
    for module in dict.fromkeys([*_CLASSES.values(), *_REGISTERED]):
        importlib.import_module(f"{__name__}.{module}")


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
    _register()
else:
    sys.meta_path.insert(0, _KerasWatch())
