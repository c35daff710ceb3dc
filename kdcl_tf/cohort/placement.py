"""Students on devices of their own: only logits and their gradients travel.

Variables, forward pass, backward pass and optimizer slots of a student live on its device.
Logits `[B, C]` go to the device of the first student, where the soft target and all losses
are computed.  The gradient of the loss with respect to those logits comes back, and is as
large; whatever the method, it holds all that the student learns from the others.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.optimizers.parts import clips_by_global_norm, parts

__all__ = ["Forward", "Placement", "penalty", "update_in_place"]


class Placement:
    """The device of each student.

    Args:
      devices: `{name: device}`, such as `"GPU:1"`, in the order of the students; empty
        where TensorFlow decides.

    Raises:
      ValueError: for a device that this process does not have, and for another thing than a dict.
    """

    def __init__(self, devices: dict[str, str] | None = None):
        if devices is not None and not isinstance(devices, Mapping):
            raise ValueError(
                'devices must be a dict with one for each student, such as {"small": "GPU:0"}; got '
                f"{devices!r}"
            )
        self._devices = {name: _resolve(device) for name, device in (devices or {}).items()}

    def __bool__(self) -> bool:
        return bool(self._devices)

    def scope(self, name: str) -> contextlib.AbstractContextManager:
        """A context in which ops and variables are made on the student's device."""
        if not self._devices:
            return contextlib.nullcontext()
        return tf.device(self._devices[name])

    def centre(self) -> contextlib.AbstractContextManager:
        """A context for what belongs to all students: the device of the first."""
        return self.scope(next(iter(self._devices), ""))

    def update(self, apply: Callable[[], None]) -> None:
        """Calls `apply`, which applies gradients, and keeps each gradient on its device.

        In a replica's context Keras reduces all gradients over replicas by one op, even over
        one replica, and an op has one device.
        """
        if self._devices:
            tf.distribute.get_replica_context().merge_call(lambda _: apply())
        else:
            apply()

    def check(self, cohort: keras.Model, jit_compile: bool = False) -> None:
        """Raises ValueError for a cohort whose students cannot be, or are not, on these devices."""
        method = type(cohort).__name__
        if cohort.may_share_layers:
            raise ValueError(
                f"the students of {method} share layers, and cannot live on devices of their own: "
                "leave out devices"
            )
        if cohort.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "students on devices of their own cannot be replicated too: leave out devices, or "
                "make the cohort outside the strategy's scope"
            )
        if jit_compile:
            raise ValueError("jit_compile=True is for one device: leave out jit_compile or devices")
        if set(self._devices) != set(cohort.students):
            raise ValueError(
                f"devices must be a dict with one for each of {sorted(cohort.students)}; got keys "
                f"{sorted(self._devices)}"
            )
        for name, student in cohort.students.items():
            _check_variables(name, student, self._devices[name])

    def check_optimizer(self, optimizer: Any) -> None:
        """Raises ValueError for one with a loss scale, which Keras applies inside a replica alone.

        Args:
          optimizer: one for all students, or `StudentOptimizers`.
        """
        for each in getattr(optimizer, "by_student", {"": optimizer}).values():
            if isinstance(each, keras.optimizers.LossScaleOptimizer):
                raise ValueError(
                    "students on devices of their own cannot have a loss scale, which float16 needs: "
                    "leave out devices, or compute in bfloat16 or float32"
                )


class Forward:
    """The forward passes of all students, each on its device, kept for its backward pass.

    Args:
      students: `{name: keras.Model}`.
      views: `{name: batch}`.
      placement: `Placement`.

    Attributes:
      logits: a list of `[B, C]` float32.
      penalties: a list of scalars, the students' regularisation losses.
    """

    def __init__(
        self, students: dict[str, keras.Model], views: dict[str, Any], placement: Placement
    ):
        self._students, self._placement = students, placement
        self.logits, self.penalties, self._tapes = [], [], []
        for name, student in students.items():
            with placement.scope(name), tf.GradientTape() as tape:
                self.logits.append(tf.cast(student(views[name], training=True), tf.float32))
                self.penalties.append(penalty(student))
            self._tapes.append(tape)

    def gradients(
        self, of_logits: list[tf.Tensor], of_penalties: list[tf.Tensor]
    ) -> dict[int, tf.Tensor | None]:
        """`{id(variable): gradient}` by the chain rule, for the students' trainable variables.

        Each student's are taken inside its scope: TensorFlow places the ops of a backward pass
        where the gradient is asked for, not where the forward pass ran.

        Args:
          of_logits: the objective's gradient with respect to each of `logits`.
          of_penalties: the same for `penalties`.
        """
        found = {}
        rows = zip(self._students.items(), self._tapes, self.logits, self.penalties)
        for ((name, student), tape, *outputs), *arriving in zip(rows, of_logits, of_penalties):
            variables = student.trainable_variables
            with self._placement.scope(name):
                gradients = tape.gradient(outputs, variables, output_gradients=arriving)
            found.update(zip(map(id, variables), gradients))
        return found


def penalty(model: keras.Model) -> tf.Tensor:
    """The sum of a model's regularisation losses, a float32 scalar."""
    return tf.add_n([0.0, *[tf.cast(each, tf.float32) for each in model.losses]])


def update_in_place(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a Keras optimizer compute what is of one variable on that variable's device: its clipped
    gradient, its decay, its update and its moving average.

    By itself it computes all that wherever `apply_gradients` is called, and weights, slots and
    gradients of all students would travel there and back.

    Args:
      optimizer: of one student where it has `global_clipnorm`, as `compile` makes it; its averages are
        found by their variables, see `averages.keep_with_variables`.
    """
    for part in parts(optimizer):
        _in_place(part)


def _in_place(optimizer):
    update, clip, decay, average = (
        getattr(optimizer, name)
        for name in (
            "update_step",
            "_clip_gradients",
            "_apply_weight_decay",
            "_update_model_variables_moving_average",
        )
    )

    def clip_gradients(gradients):
        if not clips_by_global_norm(optimizer):
            return [clip_group([each])[0] for each in gradients]
        return clip_group(gradients)

    def clip_group(gradients):
        with tf.device(gradients[0].device):
            return clip(gradients)

    def apply_weight_decay(variables):
        for each in variables:
            with tf.device(_device_of(each)):
                decay([each])

    def update_step(gradient, variable, learning_rate):
        with tf.device(_device_of(variable)):
            update(gradient, variable, learning_rate)

    def update_averages(variables):
        for each in variables:
            with tf.device(_device_of(each)):
                average([each])

    optimizer._clip_gradients = clip_gradients
    optimizer._apply_weight_decay = apply_weight_decay
    optimizer._update_model_variables_moving_average = update_averages
    optimizer.update_step = update_step


def _device_of(variable):
    return (variable.value if isinstance(variable, keras.Variable) else variable).device


def _check_variables(name, student, device):
    for variable in student.trainable_variables:
        if not variable.value.device.endswith(device):
            raise ValueError(
                f"student {name!r} has {variable.path} on another device: expected {device}; got "
                f"{variable.value.device}: build it inside `with tf.device({device!r}):`"
            )


def _resolve(device):
    names = [each.name for each in tf.config.list_logical_devices()]
    found = [name for name in names if name.endswith(f":{device}") or name == device]
    if not found:
        raise ValueError(f"no such device: expected one of {', '.join(names)}; got {device!r}")
    return found[0]
