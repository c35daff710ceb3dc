"""How Keras saves a cohort and makes it again, shows it, and exports it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state

from kdcl_tf.cohort import configurations, hyperparameters
from kdcl_tf.cohort.membership import input_shape, map_shapes
from kdcl_tf.cohort.optimizers.parts import has_slots
from kdcl_tf.objectives import names

# In the store of a cohort's own variables.
_NAMES = "students"
_ORDER = "order"
_NUMBERS = ("temperature", "distillation_weight")
# What else a SavedModel of a cohort has beside its students.
_TAKEN = (
    "ensemble",
    "non_trainable_variables",
    "serve",
    "signatures",
    "trainable_variables",
    "variables",
)
_MADE_AGAIN = "of which a saved or cloned cohort is made again"

__all__ = ["SavedCohort"]


def _whole(get_config):
    """A class's `get_config`, which refuses to give less than the constructor of a cohort takes.

    Keras asks for nothing else of a cohort that it saves or clones.
    """

    @functools.wraps(get_config)
    def checked(cohort):
        config, kind = get_config(cohort), type(cohort)
        # A subclass may extend it and give more, and with a `from_config` of its own, less.
        if kind.get_config is checked and configurations.is_of("kdcl_tf", kind.from_config):
            configurations.check(kind, config, _MADE_AGAIN)
        return config

    checked.is_whole = True
    return checked


class SavedCohort(keras.Model):
    """The configurations of a cohort that a `.keras` file keeps beside the weights.

    `Cohort` inherits them.  A subclass with constructor arguments of its own extends
    `get_config`, and `from_config` where an argument is a Keras object.  Where it gives less than
    the constructor takes, the cohort is neither saved nor cloned.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not getattr(cls.get_config, "is_whole", False):
            cls.get_config = _whole(cls.get_config)  # type: ignore[method-assign]

    @_whole
    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor.

        Raises:
          ValueError: when Keras asks for them to write its older format; of a subclass, when its
            constructor takes arguments that it does not give, which would get their defaults.
        """
        # Its functions `save_model` do not call `save`.
        if global_state.get_global_attribute("use_legacy_config", False):
            raise ValueError(_no_older_format("an .h5 or .hdf5 file"))
        return {
            "students": keras.saving.serialize_keras_object(dict(self.students)),
            **{name: hyperparameters.number(getattr(self, name)) for name in _NUMBERS},
            "name": self.name,
        }

    @property
    def by_name(self) -> list[keras.Model]:
        """The students in the order of their names.

        Keras files what it saves by class and position, and looks for it in all attributes, in
        alphabetical order and private ones last: this one comes before the others that have
        students, so that a cohort of another order finds the weights of each by its name.
        """
        return [self.students[name] for name in sorted(self.students)]

    def save_own_variables(self, store: Any) -> None:
        """Saves the students' names, the temperature and the distillation weight.

        Also the order of the students, where something is filed by it.
        """
        super().save_own_variables(store)
        for name in _NUMBERS:
            store[name] = np.float32(hyperparameters.number(getattr(self, name)))
        store[_NAMES] = names.as_array(sorted(self.students))
        if self.filed_by_position():
            store[_ORDER] = names.as_array(self.students)

    def load_own_variables(self, store: Any) -> None:
        """Loads what `save_own_variables` saved.

        Raises:
          ValueError: when it was a cohort of students with other names, or in another order
            where something is filed by it.
        """
        own = {key: store[key] for key in store.keys()}
        # Cohorts were once saved without them.
        if _NAMES in own:
            self._check_names(names.from_array(own.pop(_NAMES)))
        if _ORDER in own:
            self._check_order(names.from_array(own.pop(_ORDER)))
        for name in _NUMBERS:
            if name in own:
                setattr(self, name, np.asarray(own.pop(name)))
        super().load_own_variables(own)

    def filed_by_position(self) -> str:
        """What of the cohort is saved by the positions of students, such as "its weights of them are".

        Empty if nothing is, so that weights of a cohort of another order can be loaded.
        A method with weights that belong to the positions of its students overrides this.
        """
        if self.compiled and not self.student_optimizers and has_slots(self.optimizer):
            return "the slots of one optimizer for all are"
        return ""

    def _check_names(self, saved):
        own = sorted(self.students)
        if saved != own:
            raise ValueError(
                f"expected the weights of students {', '.join(own)}; got those of "
                f"{', '.join(saved)}: give the students the names they were saved under"
            )

    def _check_order(self, saved):
        own, filed = list(self.students), self.filed_by_position()
        if saved != own and filed:
            raise ValueError(
                f"expected the weights of students in the order {', '.join(own)}, by which {filed} "
                f"filed; got those of {', '.join(saved)}: make the cohort in that order"
            )

    def save(
        self,
        filepath: str | os.PathLike,
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves the cohort as a `.keras` file, as `keras.Model.save` does.

        Raises:
          ValueError: for a `.h5` or `.hdf5` file, which cannot hold a cohort, and for a cohort or
            what it was compiled with of which the file cannot keep all; no file is changed then.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(_no_older_format(filepath))
        # Keras opens the file before it asks for them.
        self.get_config()
        self.get_compile_config()
        super().save(filepath, overwrite, zipped, **kwargs)

    def get_layer(self, name: str | None = None, index: int | None = None) -> keras.layers.Layer:
        """As `keras.Model.get_layer`; a student has its name in the cohort."""
        if index is None and name in self.students:
            return self.students[name]
        return super().get_layer(name, index)

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.summary`; students have their names in the cohort."""
        with self._named_students():
            super().summary(*args, **kwargs)

    @contextlib.contextmanager
    def _named_students(self) -> Iterator[None]:
        """Gives each student its name in the cohort, for as long as the context lasts."""
        own = {name: student.name for name, student in self.students.items()}
        try:
            for name, student in self.students.items():
                student.name = name
            yield
        finally:
            for name, student in self.students.items():
                student.name = own[name]

    def compute_output_shape(self, input_shape: Any) -> dict[str, tuple[int | None, int]]:
        """`{student: (B, C)}`, of the shape of a batch or of a view for each student."""
        sizes = keras.tree.flatten(map_shapes(lambda shape: shape[0], input_shape))
        return dict.fromkeys(self.students, (sizes[0], self.num_classes))

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes a SavedModel with an endpoint for each student, and `ensemble`.

        An endpoint takes the images of its student, normalised as in training, and gives logits
        `[B, C]`; that of the ensemble takes what all students share, and gives probabilities.
        `serve` is the cohort itself, `{student: logits}`; it is also the signature
        `serving_default`, which servers use where a request names none.
        `kdcl_tf.serving.export_student` writes one student that takes uint8 images.

        Args:
          filepath: the folder.
          format: only `"tf_saved_model"`.
          verbose: whether to print the endpoints, as in `keras.Model.export`.
          input_signature: of what all students take, as there; by default float32 images.
          **kwargs: further arguments of `keras.export.ExportArchive.write_out`.

        Raises:
          ValueError: for another format, students that do not share the shape of their images, or
            one whose name an endpoint cannot have.
        """
        if format != "tf_saved_model":
            raise ValueError(
                f'expected format="tf_saved_model" for a cohort; got {format!r}: export '
                "cohort.students[name] in other formats"
            )
        taken = [name for name in self.students if name in _TAKEN]
        if taken:
            raise ValueError(
                "expected students whose names a SavedModel of a cohort does not have itself; got "
                f"{', '.join(taken)}: make the cohort with other names"
            )
        signature = input_signature
        if signature is None:
            signature = self._shared_input()
        if not isinstance(signature, (list, tuple)):
            signature = [signature]
        archive = keras.export.ExportArchive()
        archive.track(self)
        # First, so that it is the default.
        archive.add_endpoint("serve", lambda images: self(images, training=False), signature)
        for name, student in self.students.items():
            archive.add_endpoint(name, functools.partial(student, training=False), signature)
        archive.add_endpoint("ensemble", self._ensemble, signature)
        archive.write_out(str(filepath), verbose=verbose is not False, **kwargs)

    def _ensemble(self, images):
        """Probabilities, even where the average has weights below 0, as Eq. 11 gives them."""
        positive = tf.nn.relu(self.average(self.forward(self.views(images))))
        return positive / tf.reduce_sum(positive, axis=-1, keepdims=True)

    def _shared_input(self):
        """The `tf.TensorSpec` of a batch that every student takes."""
        shapes = {name: input_shape(student) for name, student in self.students.items()}
        first = next(iter(shapes.values()))
        if not isinstance(first, tuple) or any(shape != first for shape in shapes.values()):
            raise ValueError(
                f"expected students of one input each, of one shape; got {shapes}: export "
                "cohort.students[name] one by one, or give input_signature"
            )
        return tf.TensorSpec(first, tf.float32, name="images")

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> SavedCohort:
        """A cohort from what `get_config` gave."""
        students = keras.saving.deserialize_keras_object(config["students"], custom_objects)
        return cls(**{**config, "students": students})

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile`, without devices; None before it was called.

        Raises:
          ValueError: for a metric or an optimizer that Keras cannot serialize, such as a
            `functools.partial`.
        """
        if not self.compiled:
            return None
        config = {
            "run_eagerly": self.run_eagerly,
            "jit_compile": bool(self.compilation),
            "auto_scale_loss": self.scales_loss,
            "steps_per_execution": self.steps_per_execution,
            "accumulation_steps": self.accumulation_steps,
        }
        objects = {
            "optimizer": self.optimizer,
            **self.cohort_metrics.added,
        }
        return {**config, **_serialized(objects)}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Calls `compile` with what `get_compile_config` gave."""
        self.compile(**keras.saving.deserialize_keras_object(config))


def _serialized(objects):
    try:
        return keras.saving.serialize_keras_object(objects)
    except TypeError as error:
        told, is_keras, _ = str(error).partition(" of type ")
        if not (is_keras and told.startswith("Cannot serialize object ")):
            raise  # Of another hand, such as a metric's own `get_config`.
        told = told.removeprefix("Cannot serialize object ")
        raise ValueError(
            f"expected metrics and optimizers that a .keras file can keep; got {told}: use "
            "save_weights, or give a registered function or a keras.metrics.Metric in its place"
        ) from None


def _no_older_format(given):
    return (
        f"expected a .keras file for a cohort; got {given}: Keras's older format cannot hold it "
        "(save_weights writes .weights.h5 files)"
    )
