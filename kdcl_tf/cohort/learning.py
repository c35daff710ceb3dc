"""How a cohort learns from a batch: gradients of one loss, one update of all students."""

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort import accumulation, own_losses
from kdcl_tf.cohort.compilation import Compilation
from kdcl_tf.cohort.fitting import checked_labels, checked_weights, flat, told_of_unknown_rank
from kdcl_tf.cohort.membership import check_losses_apart, check_scope
from kdcl_tf.cohort.optimizers import checks, loss_scales
from kdcl_tf.cohort.placement import Forward, penalty
from kdcl_tf.cohort.step import Step

__all__ = ["Learner"]


class Learner(keras.Model):
    """The training and the test step of a cohort, which `Cohort` inherits.

    They are the same for `fit` and for a loop that runs them on every replica by
    `strategy.run`.
    """

    # Until `compile` says otherwise.
    compilation = Compilation()
    # Whether each step makes sure that labels are classes; a program that has read them all
    # before need not.
    checks_labels = True

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Updates all students from one batch, and returns the metrics so far.

        Raises:
          ValueError: before anything is computed, when students and cohort are not of the scope of one
            strategy, but for what is frozen; evaluation alone needs none.
        """
        check_scope(self.students, self.distribute_strategy, [self.temperature])
        batch = views, labels, sample_weight = self._unpack(data)
        examples = self._count(labels)
        least = accumulation.least_examples(self.networks(), self.accumulation_steps)
        is_enough = accumulation.check_size(labels, least) if least else None
        steps, gradients = [], None
        # Not a tf.while_loop: replicas cannot reduce inside one, and synchronised batch norm
        # reduces.
        for index in range(self.accumulation_steps):
            first = gradients, is_enough
            part = accumulation.part(batch, index, self.accumulation_steps, after=first)
            step, found = self._differentiate(part, examples)
            gradients = accumulation.add(gradients, found)
            steps.append(step)
        self._update(gradients)
        return self._report(accumulation.join(steps), labels, sample_weight)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Counts one batch, and returns the metrics so far."""
        step, labels, sample_weight = self._tested(data)
        return self._report(step, labels, sample_weight)

    def test_by_class(self, data: Any) -> tf.Tensor:
        """Counts one batch as `test_step` does.

        Returns:
          `[1 + M, C]` float32: the images of each class, and how many of them each of the M
          students classifies right.
        """
        step, labels, sample_weight = self._tested(data)
        self._report(step, labels, sample_weight)
        return self.cohort_metrics.by_class(step, labels)

    def _tested(self, data):
        views, labels, sample_weight = self._unpack(data)
        step = self.compilation(self._step, self._trained_layers())(views, labels, sample_weight)
        return step, labels, sample_weight

    def predict_step(self, data: Any) -> dict[str, tf.Tensor]:
        """`{name: [B, C] logits}` of one batch."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.compilation(self._predicted)(inputs)

    def _predicted(self, inputs):
        return self(inputs, training=False)

    def _unpack(self, data):
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if labels is None:
            raise ValueError("expected (images, labels); got no labels")
        if self.checks_labels:
            labels = checked_labels(labels, self.num_classes)
        return self.views(inputs), flat(labels), checked_weights(sample_weight)

    def _count(self, labels):
        """Examples of the batch, over all replicas."""
        local = tf.cast(tf.shape(labels)[0], tf.float32)
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, local)

    def _differentiate(self, batch, examples):
        """The step of a part of the batch, and a list of gradients for each optimizer."""
        views, labels, sample_weight = batch
        if self._placement:
            return self._differentiate_apart(views, labels, sample_weight, examples)
        differentiate = self.compilation(self._differentiate_together, self._trained_layers())
        return differentiate(views, labels, sample_weight, examples)

    def _trained_layers(self):
        """Of each layer whether it is trained, which decides gradients, penalties, batch norm."""
        models = [self, *self.networks()]
        return tuple(layer.trainable for model in models for layer in model._flatten_layers())

    def _differentiate_together(self, views, labels, sample_weight, examples):
        own = self._own_regularised()
        with tf.GradientTape(persistent=bool(own)) as tape:
            step = self._step(views, labels, sample_weight, training=True)
            objectives = self._objectives(step, examples)
        if own:
            own_losses.check_learns(self, own, tape.gradient(step.loss, own))
        groups = [variables for _, variables in self._optimizer_groups()]
        return step, tape.gradient(objectives, groups)

    def _differentiate_apart(self, views, labels, sample_weight, examples):
        """The same by the chain rule, cut at the logits, each student on its device."""
        with told_of_unknown_rank(views):
            forward = Forward(self.students, views, self._placement)
        sources = [forward.logits, forward.penalties]
        with self._placement.centre(), tf.GradientTape() as tape:
            tape.watch(sources)
            logits, penalties = self._scaled(tf.stack(forward.logits), forward.penalties)
            step = self._step_from(logits, penalties, views, labels, sample_weight)
            arriving = tape.gradient(self._objectives(step, examples), sources)
        self._check_owns_nothing()
        found = forward.gradients(*arriving)
        groups = self._optimizer_groups()
        return step, [[found[id(each)] for each in variables] for _, variables in groups]

    def _check_owns_nothing(self):
        """Refuses variables of the method where students have devices of their own."""
        fix = "expected only students to be trained on devices of their own: leave out devices"
        checks.check_owned(self.trainable_variables, self.students, fix)

    def _step(self, views, labels, sample_weight, training=False):
        with told_of_unknown_rank(views):
            logits = self.forward(views, training)
        penalties = self.penalties()
        if training:
            logits, penalties = self._scaled(logits, penalties)
        return self._step_from(logits, penalties, views, labels, sample_weight)

    def _scaled(self, logits, penalties):
        """The same, but their gradients are times the loss scale of each student's own optimizer.

        Not the losses, since one may reach several students, whose scales differ.
        """
        if not self._scales_apart():
            return logits, penalties
        scales = [each.scale_loss(tf.ones([])) for each in self.student_optimizers.values()]
        rows = zip(tf.unstack(logits), scales, strict=True)
        logits = tf.stack([loss_scales.scale_gradient(row, scale) for row, scale in rows])
        return logits, list(map(loss_scales.scale_gradient, penalties, scales))

    def penalties(self) -> list[tf.Tensor]:
        """Scalars: the regularisation losses of each of `networks`, after `forward` ran them.

        With the first are those of the method's own weights.
        """
        networks = self.networks()
        check_losses_apart(networks)
        found = [penalty(network) for network in networks]
        return own_losses.with_regularisation(found, self._own_regularised())

    def _own_regularised(self):
        return own_losses.regularised(self, self._known())

    def _known(self):
        """What the method's own layers are told from: the models that run, and the students."""
        return [*self.networks(), *self.students.values()]

    def _step_from(self, logits, penalties, views, labels, sample_weight):
        distillation = self._distilled(logits, labels, views)
        distillation = self._checked_losses(distillation, logits, labels)
        own_losses.check_adds_none(self, self._known())
        return Step.create(
            logits, labels, distillation, self.distillation_weight, sample_weight, penalties
        )

    def _scales_apart(self):
        # A cohort that only evaluates need not be compiled.
        return loss_scales.scale_apart(getattr(self, "optimizer", None))

    def _distilled(self, logits, labels, views):
        """`distillation_losses`, which may train a student's weights only where nothing is apart."""
        if not (self._placement or self._scales_apart()):
            return self.distillation_losses(logits, labels, views)
        with tf.GradientTape() as tape:
            found = self.distillation_losses(logits, labels, views)
        if tf.is_tensor(found):
            self._check_trains_no_weights(tape, found)
        return found

    def _check_trains_no_weights(self, tape, losses):
        """Refuses losses with gradients of weights, which are known without running the graph."""
        variables = [each for own in self.students.values() for each in own.trainable_variables]
        for variable, gradient in zip(variables, tape.gradient(losses, variables)):
            if gradient is not None:
                raise ValueError(
                    f"{type(self).__name__}.distillation_losses uses the weights of a student, such as "
                    f"{variable.path}, whose gradients would be lost or scaled wrongly: expected "
                    "that of logits and views alone, as students have devices or loss scales of "
                    "their own; leave out devices, and pass one optimizer for all, or stop the gradients"
                )

    def _checked_losses(self, distillation, logits, labels):
        """`[M, B]` float32, of what an override of `distillation_losses` gives; other shapes are refused.

        In a graph whose batches have no known size, a loss of a known one belongs to no image:
        it is `[B, M]`, or `[M, 1]`.  Sizes that the graph does not know are compared when it runs.
        """
        students, known = len(self.students), logits.shape[1] or labels.shape[0]
        found = getattr(distillation, "shape", None)
        shape = None if found is None else tf.TensorShape(found)
        if (
            shape is None
            or shape.rank != 2
            or not shape.is_compatible_with([students, known])
            or (known is None and shape[1] is not None)
        ):
            raise ValueError(
                f"{type(self).__name__}.distillation_losses: expected a tensor [M, B], a loss for "
                f"each of {students} students and each image; got "
                + (f"{distillation!r:.100}" if found is None else f"shape {found}")
            )
        distillation = self._as_float32(tf.ensure_shape(distillation, [students, None]))
        return tf.reshape(distillation, [students, tf.shape(logits)[1]])

    def _as_float32(self, distillation):
        if not distillation.dtype.is_floating:
            raise ValueError(
                f"{type(self).__name__}.distillation_losses: expected floats [M, B]; got "
                f"{distillation.dtype.name}: cast them to float32, before what has to be derived"
            )
        return tf.cast(distillation, tf.float32)

    def _objectives(self, step, examples):
        """What is minimised; times the loss scale, which is 1 but in float16, of one for all."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        objectives = step.objectives(examples, replicas * self.accumulation_steps)
        if self.student_optimizers:
            if len(objectives) > len(self.student_optimizers):
                raise ValueError(
                    f"{type(self).__name__}.forward appends the logits of companions, which learn "
                    "from a loss of their own: expected one optimizer for all, without "
                    "global_clipnorm; got one for each student"
                )
            return tf.add_n(objectives)
        return self.optimizer.scale_loss(tf.add_n(objectives))

    def _update(self, gradients):
        """Updates all students at once: each gradient is taken before any variable moves."""
        if self.student_optimizers:
            checks.check_owned(self.trainable_variables, self.students)
        groups = self._optimizer_groups()
        # Layers may have made theirs only in this step, or have been frozen until `compile`.
        for optimizer, variables in groups:
            checks.check_known(optimizer, variables)

        def apply():
            for (optimizer, variables), group in zip(groups, gradients):
                group = loss_scales.with_common_overflow(optimizer, group)
                group = self.transform_gradients(group, variables)
                optimizer.apply_gradients(zip(group, variables, strict=True))

        self._placement.update(apply)

    def _report(self, step, labels, sample_weight):
        with self._placement.centre():
            average = self.average(step.logits)
        self.cohort_metrics.update(step, average, labels, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """`{name: value}` of all metrics so far; see `CohortMetrics.results`."""
        return self.cohort_metrics.results(self.metrics)

    def _optimizer_groups(self):
        """`[(optimizer, its trainable variables)]`, without those that have none to train."""
        groups = [(self.optimizer, self.trainable_variables)]
        if self.student_optimizers:
            groups = [
                (self.student_optimizers[name], student.trainable_variables)
                for name, student in self.students.items()
            ]
        return [(optimizer, variables) for optimizer, variables in groups if variables]
