"""A cohort: students that train together, in one Keras model.

`Cohort` owns everything that the methods share: the views, the forward passes, the sum of
losses, the gradients, the metrics and saving.  A method overrides `distillation_losses`, which
says what the students learn from each other.
"""

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort import accumulation, hyperparameters
from kdcl_tf.cohort.compilation import Compilation
from kdcl_tf.cohort.fitting import Fitting
from kdcl_tf.cohort.learning import Learner
from kdcl_tf.cohort.membership import check_scope, check_students, input_names, output_shape
from kdcl_tf.cohort.metrics import CohortMetrics
from kdcl_tf.cohort.optimizers import building, checks, loss_scales, preparation
from kdcl_tf.cohort.optimizers.student_optimizers import StudentOptimizers
from kdcl_tf.cohort.placement import Placement, update_in_place
from kdcl_tf.cohort.saving import SavedCohort

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "kdcl_tf expected Keras to run on TensorFlow; got "
        f"KERAS_BACKEND={keras.backend.backend()}: set KERAS_BACKEND=tensorflow before keras is "
        "imported"
    )

__all__ = ["Cohort"]


class Cohort(Fitting, Learner, SavedCohort):
    """Students that train together; the base of every method.

    Args:
      students: `{name: keras.Model}`, built classifiers with the same number of classes
        that give logits `[B, C]`.
      temperature: T of the distillation loss, > 0.
      distillation_weight: lambda of paper Eq. 2, >= 0.

    Both are variables: they can be assigned a number at any time, as
    `kdcl_tf.callbacks.Schedule` does, and are saved with the students.

    Inputs are one batch `[B, H, W, C]` that all students share, or `{name: batch}`, a view
    for each (their resolutions may differ); students with several inputs take a dict of these
    as a batch.  `predict` gives `{name: logits}`.

    The loss of a batch is, summed over students and averaged over its examples,

        cross_entropy + distillation_weight * distillation_loss

    plus the regularisation losses of the students, and of the method's own weights that are
    trained.  The examples are counted over all replicas, so a short last batch and uneven
    replicas are exact.  Of losses that the students' layers compute from images (`add_loss`,
    `activity_regularizer`), the mean over replicas and parts counts, each alike; layers of the
    method itself must have none.

    A method overrides `distillation_losses`.  Methods that train more than the students, or
    in another way, may also override

    * `forward` and `networks`, to run other networks, or the students as one.  `forward` may
      append the logits of *companions* to the students': what trains along with them, with
      the cross-entropy of the labels as its only loss;
    * `average`, what is reported as the ensemble;
    * `transform_gradients`, between the gradients and the optimizer.

    Whatever is trained exists before `compile`, and is trainable then: a layer of a subclass is
    built in its constructor, and a subclassed student is called once with `training=True` if it has
    layers that run only in training.  What is frozen or unfrozen after the first `fit` needs another
    `compile`, with a new optimizer for weights that were frozen when theirs was built.
    """

    # Whether students may have layers in common, as branches of one network do.
    may_share_layers = False

    def __init__(
        self,
        students: dict[str, keras.Model],
        temperature: float = 1.0,
        distillation_weight: float = 1.0,
        **kwargs: Any,
    ):
        # The students cast for themselves: a float32 student keeps float32 inputs beside a
        # bfloat16 one, whatever the global policy is.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        check_students(students, self.may_share_layers)
        self.students = dict(students)
        self._temperature = hyperparameters.temperature(temperature)
        self._distillation_weight = hyperparameters.distillation_weight(distillation_weight)
        self.accumulation_steps = 1
        self.scales_loss = True
        self._placement = Placement()
        self.cohort_metrics = CohortMetrics(tuple(students), self.num_classes)
        self.built = True

    @property
    def temperature(self) -> keras.Variable:
        """T, a float32 scalar; a number that is assigned holds from the next step."""
        return self._temperature.variable

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature.assign(value)

    @property
    def distillation_weight(self) -> keras.Variable:
        """Lambda, a float32 scalar; a number that is assigned holds from the next step."""
        return self._distillation_weight.variable

    @distillation_weight.setter
    def distillation_weight(self, value: float) -> None:
        self._distillation_weight.assign(value)

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        """What each student loses against its soft target: the one override of a method.

        Gradients reach other students than the one whose loss it is where they are not stopped.  By
        their logits alone, where students have devices of their own, or optimizers of their own of
        which one has a loss scale, as in float16: losses with gradients of weights are refused there.

        Args:
          logits: `[M, B, C]` float32, in the order of `students`; further rows are those
            that an override of `forward` appended.
          labels: `[B]` classes or `[B, C]` probabilities.
          views: `{name: batch}`, what each student saw.

        Returns:
          `[M, B]` float32, before `distillation_weight`; other floats are cast.
        """
        raise TypeError(f"{type(self).__name__} must override distillation_losses")

    def forward(self, views: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The forward passes of a step: `[M, B, C]` float32, each student on its own view.

        An override may append rows for companions, which learn from the labels alone.
        """
        logits = []
        for name, student in self.students.items():
            with self._placement.scope(name):
                logits.append(tf.cast(student(views[name], training=training), tf.float32))
        return tf.stack(logits)

    # A method, since Keras looks for what it saves in all properties, in alphabetical order,
    # and would file the students' weights under this name.
    def networks(self) -> list[keras.Model]:
        """The models that `forward` runs, whose regularisation losses join the loss.

        There are at most as many as rows of logits.
        """
        return list(self.students.values())

    def average(self, logits: tf.Tensor) -> tf.Tensor:
        """`[B, C]` probabilities of the ensemble whose accuracy is reported.

        Args:
          logits: as `forward` gives them.
        """
        return tf.reduce_mean(tf.nn.softmax(logits[: len(self.students)]), axis=0)

    def transform_gradients(
        self, gradients: list[tf.Tensor | None], variables: list[keras.Variable]
    ) -> list[tf.Tensor | None]:
        """The gradients that an optimizer gets, from those of the loss on this replica.

        In float16 both are times the optimizer's loss scale, `dynamic_scale`, which changes.  What is
        not linear, such as clipping, has to divide by it first, and multiply by it afterwards.

        Args:
          gradients: one for each variable, None where the loss does not depend on it.
          variables: of one optimizer.
        """
        return gradients

    @property
    def num_classes(self) -> int:
        """C, the same for every student."""
        return output_shape(next(iter(self.students.values())))[-1]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All that `reset_metrics` resets: the cohort's own, and those that a subclass makes."""
        return [*self.cohort_metrics.all, *self._metrics]

    @property
    def watched(self) -> list[keras.metrics.Metric]:
        """The metrics that show whether training goes wrong: the loss, each student's two."""
        return self.cohort_metrics.losses

    def call(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """`{name: [B, C] logits}` float32; Keras runs this for `predict`."""
        logits = tf.unstack(self.forward(self.views(inputs), training))
        return dict(zip(self.students, logits))

    def views(self, inputs: Any) -> dict[str, tf.Tensor]:
        """`{name: batch}` from one shared batch or from a dict of views."""
        if not isinstance(inputs, dict) or self._are_of_every_student(inputs):
            return dict.fromkeys(self.students, inputs)
        if set(inputs) != set(self.students):
            raise ValueError(
                f"views must be one tensor, or a dict with a view for each of "
                f"{sorted(self.students)}; got a dict with keys {sorted(inputs)}"
            )
        return inputs

    def _are_of_every_student(self, inputs):
        """Whether a dict has the inputs of students with several, and not their views."""
        return set(inputs) != set(self.students) and all(
            set(inputs) == input_names(student) for student in self.students.values()
        )

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: None = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = False,
        auto_scale_loss: bool = True,
        accumulation_steps: int = 1,
        devices: dict[str, str] | None = None,
    ) -> None:
        """Configures training.

        Args:
          optimizer: one for all students, or `{name: optimizer}`.  One with `global_clipnorm`
            is copied for each student, so that no student's gradients clip another's.  After
            that only `cohort.optimizer.learning_rate = rate` sets the copies' rate: neither the
            optimizer that was given nor `cohort.optimizer.learning_rate.assign` does.  What clips
            gradients clips their sum over all replicas.
          loss: None, since the method decides what the students minimise; the second
            argument of `keras.Model.compile`.
          metrics: further metrics of logits; each student gets its own copy.  Accuracy,
            top-5, cross-entropy and distillation loss are always there.  What has an argument
            `from_logits` gets True, since students give logits.
          weighted_metrics: the same, weighted by `sample_weight`, and called
            `<student>_weighted_<metric>`.
          run_eagerly, steps_per_execution: as in `keras.Model.compile`.
          jit_compile: whether XLA compiles what each replica computes for itself, the forward
            and the backward pass; what replicas reduce and the update stay outside, so that it
            works under `tf.distribute`, too, for layers made in its scope.  It changes a step by
            rounding, and the random numbers of layers such as dropout.  Off by default, as with
            "auto" and when run eagerly: on CPUs XLA is slower than TensorFlow's own kernels for convolutions.
          auto_scale_loss: whether the optimizers of students that compute in float16 get a
            dynamic loss scale, if they have none.
          accumulation_steps: the number of parts in which each step's batch is run, one
            after the other, to need less memory.  The update is that of the whole batch,
            except for sparse gradients, as of `Embedding`, and what layers compute from the
            batch itself: batch norm's statistics and dropout's masks are those of a part, and of
            losses that layers compute from images (`add_loss`, `activity_regularizer`) the mean
            over the parts counts.  On CPUs every batch needs at least that many images, since
            TensorFlow's convolution there takes no empty part.
          devices: `{name: device}`, where each student runs; it must have been built
            inside `with tf.device(device):`.  See `kdcl_tf.cohort.placement`.

        Raises:
          ValueError: for a loss or another `jit_compile`; when a dict's keys are not the
            students' names, or it leaves variables of the cohort without an optimizer; when
            the cohort has a strategy, and what is trained or the optimizer was made outside its
            scope; when the students cannot be placed, or cannot be compiled; when an optimizer was
            built before on other variables.
        """
        _check_no_loss(loss)
        accumulation.check_count(accumulation_steps)
        placement = Placement(devices)
        compilation = Compilation.asked(jit_compile, run_eagerly)
        compilation.check(self)
        if placement:
            placement.check(self, bool(compilation))
            self._check_runs_students_apart("devices", "leave out devices")
            self._check_owns_nothing()
        with self.distribute_strategy.scope():
            if tf.distribute.has_strategy():
                # Optimizers are built on what is trained.  All else matters in a step alone.
                check_scope(self.students, self.distribute_strategy)
            prepared = preparation.prepare(optimizer, self, auto_scale_loss)
            if placement:
                placement.check_optimizer(prepared)
            if loss_scales.scale_apart(prepared):
                self._check_runs_students_apart(*_SCALES_APART)
            self.accumulation_steps, self._placement = accumulation_steps, placement
            self._has_begun = False
            self.compilation, self.scales_loss = compilation, auto_scale_loss
            super().compile(
                optimizer=prepared,
                run_eagerly=run_eagerly,
                steps_per_execution=steps_per_execution,
                # Keras would compile the reduction over replicas and the update, too.
                jit_compile=False,
                auto_scale_loss=False,
            )
            self.cohort_metrics.add(metrics, weighted_metrics)
            for each, _ in self._optimizer_groups():
                checks.check_scope(each, self.distribute_strategy)
            self._build_optimizers()

    @property
    def student_optimizers(self) -> dict[str, keras.optimizers.Optimizer] | None:
        """`{name: optimizer}`, in the order of the students; None where one trains all."""
        optimizer = self.optimizer
        is_several = isinstance(optimizer, StudentOptimizers)
        return optimizer.by_student if is_several else None

    def _build_optimizers(self):
        building.build(self.optimizer, self.students, self._optimizer_groups())
        if self._placement:
            for each in building.all_of(self.optimizer):
                update_in_place(each)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing to build; Keras would fail at the mean of uneven replicas' batches.

        It asks for it when training begins, and optimizers may need to know the weights of then.
        For each batch of `train_on_batch`, too: there they are told before the first.
        """
        if iterator is not None:
            self._begin_training()

    def _begin_training(self):
        """Tells the optimizers the weights of now, which may have been set since `compile`."""
        with self.distribute_strategy.scope():
            building.begin(self.optimizer)

    def _check_runs_students_apart(self, what, fix):
        for name in ("forward", "penalties"):
            if getattr(type(self), name) is not getattr(Cohort, name):
                raise ValueError(
                    f"{what} expected a cohort that runs each student by itself; got "
                    f"{type(self).__name__}, which overrides {name}: {fix}"
                )


_SCALES_APART = (
    "a loss scale for each student's optimizer",
    "pass one optimizer for all, without global_clipnorm",
)


def _check_no_loss(loss):
    if loss is not None:
        raise ValueError(
            "compile expected no loss, since students minimise cross-entropy and what the method "
            f"adds to it; got {loss!r}: leave it out, and pass metrics by name, metrics=[...]"
        )
