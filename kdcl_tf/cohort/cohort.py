"""A cohort: students that train together, in one Keras model.

`Cohort` owns everything that the methods share: the views, the forward passes, the sum of
losses, the gradients, the metrics and saving.  A method says in one override what the
students learn from each other.
"""

import keras
import tensorflow as tf

from kdcl_tf.cohort import accumulation
from kdcl_tf.cohort.membership import check_students, output_shape
from kdcl_tf.cohort.metrics import CohortMetrics
from kdcl_tf.cohort.optimizers import by_student, check_scope
from kdcl_tf.cohort.placement import Forward, Placement, penalty, update_in_place
from kdcl_tf.objectives import losses

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"kdcl_tf needs Keras on TensorFlow; got KERAS_BACKEND={keras.backend.backend()}: "
        "set KERAS_BACKEND=tensorflow before keras is imported"
    )

__all__ = ["Cohort"]


class Cohort(keras.Model):
    """Students that train together; the base of every method.

    Args:
      students: `{name: keras.Model}`, built classifiers with the same number of classes
        that give logits `[B, C]`.
      temperature: T of the distillation loss, > 0.
      distillation_weight: lambda of paper Eq. 2, >= 0.

    Inputs are one batch `[B, H, W, C]` that all students share, or `{name: batch}`, a view
    for each (their resolutions may differ).  `predict` gives `{name: logits}`.

    The loss of a batch is, summed over students and averaged over its examples,

        cross_entropy + distillation_weight * distillation_loss

    plus the students' own regularisation losses.  The examples are counted over all
    replicas, so a short last batch and uneven replicas are exact.
    """

    may_share_layers = False

    def __init__(self, students, temperature=1.0, distillation_weight=1.0, **kwargs):
        # The students cast for themselves: a float32 student keeps float32 inputs beside a
        # bfloat16 one, whatever the global policy is.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        check_students(students, self.may_share_layers)
        # `not >` refuses NaN too.
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0; got {temperature}")
        if not distillation_weight >= 0:
            raise ValueError(f"distillation_weight must be >= 0; got {distillation_weight}")
        self.students = dict(students)
        self.temperature = float(temperature)
        self.distillation_weight = float(distillation_weight)
        self.student_optimizers = None
        self.accumulation_steps = 1
        self._placement = Placement()
        self.cohort_metrics = CohortMetrics(tuple(students), self.num_classes)
        self.built = True

    def distillation_losses(self, logits, labels, views, **taught):
        """What each student loses against its soft target: the one override of a method.

        Args:
          logits: `[M, B, C]` float32, in the order of `students`.
          labels: `[B]` classes or `[B, C]` probabilities.
          views: `{name: batch}`, what each student saw.
          **taught: `teacher`, `[B, C]` logits, when `run` gives a teacher; else nothing.

        Returns:
          `[M, B]` float32, before `distillation_weight`.
        """
        raise TypeError(f"{type(self).__name__} must override distillation_losses")

    def average(self, logits, teacher=None):
        """`[B, C]` probabilities of the ensemble whose accuracy is reported."""
        if teacher is not None:
            return tf.nn.softmax(teacher)
        return tf.reduce_mean(tf.nn.softmax(logits), axis=0)

    @property
    def num_classes(self):
        """C, the same for every student."""
        return output_shape(next(iter(self.students.values())))[-1]

    @property
    def metrics(self):
        return self.cohort_metrics.all

    @property
    def watched(self):
        """The metrics that tell whether training goes wrong: the loss, each student's two."""
        return self.cohort_metrics.losses

    def call(self, inputs, training=False):
        views = self.views(inputs)
        logits = {}
        for name, student in self.students.items():
            with self._placement.scope(name):
                logits[name] = student(views[name], training=training)
        return logits

    def views(self, inputs):
        """`{name: batch}` from one shared batch or from a dict of views."""
        if not isinstance(inputs, dict):
            return {name: inputs for name in self.students}
        if set(inputs) != set(self.students):
            raise ValueError(
                f"views must be one tensor, or a dict with a view for each of "
                f"{sorted(self.students)}; got a dict with keys {sorted(inputs)}"
            )
        return inputs

    def compile(
        self,
        optimizer="rmsprop",
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile=False,
        accumulation_steps=1,
        devices=None,
    ):
        """Configures training.

        Args:
          optimizer: one for all students, or `{name: optimizer}`.
          metrics: further metrics of logits; each student gets its own copy.  Accuracy,
            top-5, cross-entropy and distillation loss are always there.
          weighted_metrics: the same, weighted by `sample_weight`, and called
            `<student>_weighted_<metric>`.
          run_eagerly, steps_per_execution: as in `keras.Model.compile`.
          jit_compile: off by default: on CPUs XLA is slower than TensorFlow's own
            kernels for convolutions, and it does not work under `tf.distribute`.
          accumulation_steps: parts that each step's batch is run in, one after the other, to
            need less memory.  The update is that of the whole batch; only what layers make
            of the batch itself, batch norm's statistics and dropout's masks, is of the part.
            On CPUs every batch needs that many images: TensorFlow's convolution there takes
            no empty part.
          devices: `{name: device}`, where each student runs; it must have been built
            inside `with tf.device(device):`.  See `kdcl_tf.cohort.placement`.

        Raises:
          ValueError: when a dict's keys are not the students' names, an optimizer was made
            outside the scope of the strategy that the cohort was made in, or the students
            cannot be placed.
        """
        whole = isinstance(accumulation_steps, int) and not isinstance(accumulation_steps, bool)
        if not (whole and accumulation_steps >= 1):
            raise ValueError(
                f"accumulation_steps must be a whole number >= 1; got {accumulation_steps}"
            )
        placement = Placement(devices)
        if placement:
            placement.check(self, jit_compile)
        self.accumulation_steps, self._placement = accumulation_steps, placement
        per_student = isinstance(optimizer, dict)
        super().compile(
            optimizer=None if per_student else optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )
        self.student_optimizers = by_student(optimizer, self.students) if per_student else None
        with self.distribute_strategy.scope():
            self.cohort_metrics.add(metrics, weighted_metrics)
            for each, variables in self._optimizer_groups():
                check_scope(each, self.distribute_strategy)
                each.build(variables)
                if self._placement:
                    update_in_place(each)

    def train_step(self, data):
        batch = views, labels, sample_weight = self._unpack(data)
        examples = self._count(labels)
        steps, gradients = [], None
        # Not tf.while_loop, in which replicas cannot reduce: synchronised batch norm must.
        for index in range(self.accumulation_steps):
            part = accumulation.part(batch, index, self.accumulation_steps, after=gradients)
            step, found = self._differentiate(*part, examples)
            gradients = accumulation.add(gradients, found)
            steps.append(step)
        self._descend(gradients)
        return self._report(accumulation.join(steps), labels, sample_weight)

    def test_step(self, data):
        views, labels, sample_weight = self._unpack(data)
        step = self._forward(views, labels, sample_weight, training=False)
        return self._report(step, labels, sample_weight)

    def run(self, views, training=False):
        """The forward passes.

        Returns:
          `(logits, teacher)`: `[M, B, C]`; and `[B, C]` logits of a teacher that trains
          along, with the labels as its only aim, or None.
        """
        return self.stacked_logits(views, training), None

    def stacked_logits(self, views, training=False):
        """`[M, B, C]` float32 logits of all students, each on its own view."""
        logits = []
        for name, student in self.students.items():
            with self._placement.scope(name):
                logits.append(tf.cast(student(views[name], training=training), tf.float32))
        return tf.stack(logits)

    def get_config(self):
        return {
            "students": keras.saving.serialize_keras_object(dict(self.students)),
            "temperature": self.temperature,
            "distillation_weight": self.distillation_weight,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        students = keras.saving.deserialize_keras_object(config["students"], custom_objects)
        return cls(**{**config, "students": students})

    def get_compile_config(self):
        if not self.compiled:
            return None
        optimizer = self.student_optimizers or self.optimizer
        config = {
            "run_eagerly": self.run_eagerly,
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
            "accumulation_steps": self.accumulation_steps,
        }
        return {
            **config,
            **keras.saving.serialize_keras_object(
                {
                    "optimizer": dict(optimizer) if isinstance(optimizer, dict) else optimizer,
                    **self.cohort_metrics.added,
                }
            ),
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing to build; Keras would fail at the mean of uneven replicas' batches."""

    def _unpack(self, data):
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if labels is None:
            raise ValueError("a cohort learns from (images, labels); got no labels")
        return self.views(inputs), labels, sample_weight

    def _count(self, labels):
        """Examples of the batch, over all replicas."""
        local = tf.cast(tf.shape(labels)[0], tf.float32)
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, local)

    def _differentiate(self, views, labels, sample_weight, examples):
        """The tensors of a part of the batch, and its gradients as `_descend` wants them."""
        if self._placement:
            return self._differentiate_apart(views, labels, sample_weight, examples)
        with tf.GradientTape() as tape:
            step = self._forward(views, labels, sample_weight, training=True)
            objectives = self._scaled(self._objectives(step, examples))
        groups = [variables for _, variables in self._optimizer_groups()]
        return step, tape.gradient(objectives, groups)

    def _differentiate_apart(self, views, labels, sample_weight, examples):
        """The same by the chain rule, cut at the logits, each student on its device."""
        forward = Forward(self.students, views, self._placement)
        sources = [forward.logits, forward.penalties]
        with self._placement.centre(), tf.GradientTape() as tape:
            tape.watch(sources)
            logits = tf.stack(forward.logits)
            step = self._exchange(logits, None, forward.penalties, views, labels, sample_weight)
            objectives = self._scaled(self._objectives(step, examples))
            arriving = tape.gradient(objectives, sources)
        found = forward.gradients(*arriving)
        groups = self._optimizer_groups()
        return step, [[found[id(each)] for each in variables] for _, variables in groups]

    def _forward(self, views, labels, sample_weight, training):
        logits, teacher = self.run(views, training)
        penalties = [penalty(model) for model in self._regularised()]
        return self._exchange(logits, teacher, penalties, views, labels, sample_weight)

    def _exchange(self, logits, teacher, penalties, views, labels, sample_weight):
        """The step's tensors; losses are `[M, B]`, weighted by `sample_weight`."""
        cross_entropy = tf.stack(
            [losses.cross_entropy(labels, each) for each in tf.unstack(logits)]
        )
        taught = {} if teacher is None else {"teacher": teacher}
        distillation = self.distillation_losses(logits, labels, views, **taught)
        teacher_loss = tf.zeros(tf.shape(logits)[1])
        if teacher is not None:
            teacher_loss = losses.cross_entropy(labels, teacher)
        if sample_weight is not None:
            weights = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
            cross_entropy, distillation, teacher_loss = (
                each * weights for each in (cross_entropy, distillation, teacher_loss)
            )
        return {
            "logits": logits,
            "average": self.average(logits, **taught),
            "cross_entropy": cross_entropy,
            "distillation_loss": distillation,
            "loss": cross_entropy + self.distillation_weight * distillation,
            "teacher_loss": teacher_loss,
            "regularisation": penalties,
        }

    def _regularised(self):
        """The models whose regularisation losses count, in the order of the objectives."""
        return self.students.values()

    def _objectives(self, step, examples):
        """One scalar a student, then one of the teacher; their sum over students, parts and
        replicas is the loss of the whole batch."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        objectives = tf.unstack(tf.reduce_sum(step["loss"], axis=1) / examples)
        for index, each in enumerate(step["regularisation"]):
            objectives[index] += each / (replicas * self.accumulation_steps)
        return [*objectives, tf.reduce_sum(step["teacher_loss"]) / examples]

    def _scaled(self, objectives):
        """The objectives times the optimizers' loss scales, which are 1 but in float16."""
        if self.student_optimizers:
            optimizers = self.student_optimizers.values()
            return [each.scale_loss(value) for each, value in zip(optimizers, objectives)]
        return [self.optimizer.scale_loss(tf.add_n(objectives))]

    def _descend(self, gradients):
        """Updates all students at once: each gradient is taken before any variable moves."""

        def apply():
            for (optimizer, variables), group in zip(self._optimizer_groups(), gradients):
                optimizer.apply_gradients(zip(self._rescaled(group, variables), variables))

        self._placement.update(apply)

    def _rescaled(self, gradients, variables):
        """The gradients as they are applied."""
        return gradients

    def _report(self, step, labels, sample_weight):
        self.cohort_metrics.update(step, step["average"], labels, sample_weight)
        return self.get_metrics_result()

    def _optimizer_groups(self):
        """`[(optimizer, its trainable variables)]`, without those that have none to train."""
        groups = [(self.optimizer, self.trainable_variables)]
        if self.student_optimizers:
            groups = [
                (self.student_optimizers[name], student.trainable_variables)
                for name, student in self.students.items()
            ]
        return [(optimizer, variables) for optimizer, variables in groups if variables]
