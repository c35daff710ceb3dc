"""The soft targets of KDCL, ensembles of the students' logits and the labels.

Pure functions of tensors.  Everywhere below

* `logits` is `[M, B, C]` (students, examples, classes), unnormalised, any float type;
* `labels` is `[B]` (or `[B, 1]`) integer classes, or `[B, C]` probabilities such as
  label smoothing and mixup make; in a graph, floats `[B, ?]` of unknown width are probabilities;
* arithmetic and results are float32, and no gradient passes: a soft target is a constant
  to the students that learn from it.

Naive, Linear and MinLogit choose their logits example by example at temperature 1 and
then soften them: `softmax(z_t / temperature)`.

A logit of -inf masks its class: the student gives it the probability 0.  Where all students
mask the same classes, targets are those of the other classes, and 0 on the masked ones.  Where
masks differ, Linear and MinLogit give 0 to each class that any student masks, since any weight
above 0 on that student's logits does.  A student that masks the true class (with probabilities
as labels, any class of a probability above 0) has an infinite cross-entropy, and takes no part
in Naive, Linear and MinLogit; where every student does, the target is the first student's.

Source: Guo et al., "Online Knowledge Distillation via Collaborative Learning", CVPR 2020,
section 3.2; equation numbers are that paper's.
"""

import numpy as np
import tensorflow as tf

from kdcl_tf.objectives import simplex

__all__ = [
    "are_probabilities",
    "dense_labels",
    "error_matrix",
    "general",
    "general_weights",
    "linear",
    "linear_weights",
    "min_logit",
    "naive",
    "target_logits",
]

# Nats by which the loss of the solver's weights may exceed the best student's: on logits of
# scale 1 to 10 it does by less than 3e-5.
_NO_WORSE = 1e-4
# What rounding may add to that, relative to the largest logit.
_ROUNDING = 1e-6
# The duality gap below which the best student alone counts as the optimum.
_CERTIFIED_GAP = 5e-4


def naive(logits: tf.Tensor, labels: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """The student with the least cross-entropy, example by example.  Paper Eq. 4.

    Ties go to the student that comes first.

    Args:
      logits: `[M, B, C]`.
      labels: `[B]` or `[B, C]`.
      temperature: softens the result, > 0.

    Returns:
      `[B, C]` probabilities.
    """
    shifted, excluded = _shift_by_target(logits, labels)
    best = tf.argmin(_cross_entropies(shifted, excluded), axis=0)
    chosen = tf.gather(tf.transpose(shifted, [1, 0, 2]), best, batch_dims=1)
    return _soften(chosen, temperature)


def linear(logits: tf.Tensor, labels: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """The convex combination of logits with the least cross-entropy.  Paper Eq. 5.

    Where masks differ, the least is a limit: that of weights which fall to 0, but are not 0.

    Args and returns: as `naive`.

    Raises:
      ValueError: for logits whose number of students a graph does not know.
    """
    students, excluded = _usable_students(logits, labels)
    weights = _linear_weights(students, excluded)
    return _soften(_mix(students, weights), temperature)


def linear_weights(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The weights of `linear`: the minimiser of Eq. 5 for every example.

    The problem is convex, and the duality gap `<w, grad> - min(grad)` bounds how far a solution is
    from the optimum.
    For up to 8 students, duplicates and masked classes among them, and logits of an example that
    span up to 500, the gap is at most the larger of 1e-3 and 4e-7 times the square of the span,
    a few times what float32 resolves.  Of 106,129 random examples, of 2 to 1000 classes, two had
    more than the larger of 1e-3 and 1e-7 times that square (once twice as much), and none of a
    span up to 100 more than 5e-4.  For any logits the loss is at most 1e-4, and rounding, above
    the best student's.  With masked classes span, gap
    and loss are those of the classes that no student masks.

    Returns:
      `[B, M]`, on the simplex.

    Raises:
      ValueError: for logits whose number of students a graph does not know.
    """
    return _linear_weights(*_usable_students(logits, labels))


def min_logit(logits: tf.Tensor, labels: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """The element-wise minimum of logits shifted by the target's logit.  Paper Eqs. 6-7.

    With probabilities as labels the shift is `<y, z>`, which is Eq. 6 where `y` is one-hot.

    Args and returns: as `naive`.
    """
    shifted, excluded = _shift_by_target(logits, labels)
    least = tf.reduce_min(tf.where(excluded[..., tf.newaxis], np.inf, shifted), axis=0)
    nobody = tf.reduce_all(excluded, axis=0)[:, tf.newaxis]
    return _soften(tf.where(nobody, shifted[0], least), temperature)


def general(logits: tf.Tensor, weights: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """Softened probabilities averaged with one weight a student.  Paper Eq. 9's ensemble.

    Args:
      logits: `[M, B, C]`.
      weights: `[M]`, as `general_weights` gives.
      temperature: softens every student before the average, > 0.

    Returns:
      `[B, C]`; probabilities where the weights are on the simplex.
    """
    probabilities = tf.nn.softmax(_float32(logits) / temperature)
    return tf.stop_gradient(tf.einsum("m,mbc->bc", _float32(weights), probabilities))


def general_weights(errors: tf.Tensor, ridge: float = 0.0) -> tf.Tensor:
    """The weights that minimise the ensemble's squared error on held-out images.

    Minimises `w' C w` over the simplex exactly.  Where the weights of Eq. 11's closed form
    are all positive, these are the same; where one is negative, these still satisfy the
    paper's `w in [0, 1]`.  Identical students get 1/M each.

    Args:
      errors: `f - t`, `[M, N]` (probability of the true class minus 1, Eq. 8 to the
        letter) or `[M, N, C]` (the whole probability vector minus the one-hot label).
      ridge: adds `ridge * mean(diag(C))` to the diagonal, >= 0.

    Returns:
      `[M]` float32.  Paper Eqs. 8-11.

    Raises:
      ValueError: for a ridge below 0, and errors whose number of students a graph does not know.
    """
    if not ridge >= 0:  # Refuses NaN too.
        raise ValueError(f"ridge must be >= 0; got {ridge}")
    errors = tf.convert_to_tensor(errors)
    _check_students_are_known("errors", errors)
    matrix = simplex.add_ridge(error_matrix(errors), ridge)
    return tf.stop_gradient(_float32(simplex.minimise_quadratic(matrix)))


def error_matrix(errors: tf.Tensor) -> tf.Tensor:
    """`C` of Eq. 10: inner products of the students' errors, averaged over examples.

    Args:
      errors: `[M, N]` or `[M, N, C]`.

    Returns:
      `[M, M]` float64, since similar students make it nearly singular.
    """
    errors = tf.cast(tf.convert_to_tensor(errors), tf.float64)
    examples = tf.cast(tf.maximum(tf.shape(errors)[1], 1), tf.float64)
    flat = tf.reshape(errors, [tf.shape(errors)[0], -1])
    return tf.matmul(flat, flat, transpose_b=True) / examples


def are_probabilities(labels: tf.Tensor, num_classes: int | None) -> bool:
    """Whether labels are `[B, C]` probabilities, and not classes, by shape and type alone.

    Args:
      labels: `[B]`, `[B, 1]` or `[B, C]`.  Of those of two dimensions whose last is unknown in a
        graph, floats are probabilities.
      num_classes: C, or None where it is unknown.
    """
    if labels.shape.rank != 2:
        return False
    width = labels.shape[-1]
    if width is None:
        return labels.dtype.is_floating
    return width == num_classes or (num_classes is None and width != 1)


def dense_labels(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """`[B, C]` float32 probabilities from labels of either form.

    Raises:
      ValueError: for labels that are neither `[B]`, `[B, 1]` nor `[B, C]`.
      tf.errors.InvalidArgumentError: in a graph, for probabilities of unknown width that turn out
        not to have C columns.
    """
    labels = tf.convert_to_tensor(labels)
    if are_probabilities(labels, num_classes):
        return _float32(tf.ensure_shape(labels, [None, num_classes]))
    return tf.one_hot(_class_indices(labels, num_classes), num_classes)


def target_logits(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """`<y, z>`: the logit of the target class, `[..., B]` float32 for `[..., B, C]` logits.

    A logit of -inf counts only where its class has a probability above 0: integer labels pick
    their logit, and a product with a probability of 0 is 0.

    Raises:
      ValueError, tf.errors.InvalidArgumentError: as `dense_labels`.
    """
    logits, labels = _float32(logits), tf.convert_to_tensor(labels)
    num_classes = logits.shape[-1]
    if are_probabilities(labels, num_classes):
        if num_classes is None:
            # One column would be broadcast to all classes.
            tf.debugging.assert_equal(
                tf.shape(labels)[-1], tf.shape(logits)[-1], "expected labels as wide as logits"
            )
        dense = dense_labels(labels, num_classes)
        return tf.reduce_sum(tf.math.multiply_no_nan(logits, dense), axis=-1)
    indices = tf.broadcast_to(_class_indices(labels, num_classes), tf.shape(logits)[:-1])
    return tf.gather(logits, indices, batch_dims=logits.shape.rank - 1)


def _class_indices(labels, num_classes):
    if labels.shape.rank == 2 and labels.shape[-1] == 1:
        labels = tf.squeeze(labels, axis=-1)
    if labels.shape.rank != 1:
        width = "C" if num_classes is None else num_classes
        fix = "" if labels.shape[1:].is_fully_defined() else ": tell it by tf.ensure_shape"
        raise ValueError(
            f"labels must be [B] classes or [B, {width}] probabilities for {width} classes; got "
            f"shape {labels.shape}{fix}"
        )
    return tf.cast(labels, tf.int32)


def _check_students_are_known(what, tensor):
    """Refuses a tensor `[M, ...]` that has no static M."""
    if tensor.shape[0] is None:
        raise ValueError(
            f"{what} must have a known number of students M; got shape {tensor.shape}: tell it by "
            "tf.ensure_shape"
        )


def _float32(tensor):
    return tf.cast(tf.convert_to_tensor(tensor), tf.float32)


def _shift_by_target(logits, labels):
    """`z - <y, z>` (Eq. 6): probabilities stay, and the cross-entropy becomes logsumexp.

    Returns:
      `[M, B, C]`, and `[M, B]` bool: which students are excluded, since they mask the true
      class.  Their logits are not shifted.
    """
    logits = tf.stop_gradient(_float32(logits))
    if logits.shape.rank != 3:
        raise ValueError(f"logits must be [M, B, C]; got shape {logits.shape}")
    of_target = target_logits(logits, labels)
    excluded = tf.equal(of_target, -np.inf)
    return logits - tf.where(excluded, 0.0, of_target)[..., tf.newaxis], excluded


def _cross_entropies(shifted, excluded):
    return tf.where(excluded, np.inf, tf.reduce_logsumexp(shifted, axis=-1))


def _soften(logits, temperature):
    return tf.stop_gradient(tf.nn.softmax(logits / temperature))


def _usable_students(logits, labels):
    """The shifted logits that Linear mixes, `[B, M, C]`, and which are `excluded`, `[B, M]`.

    An excluded student's are replaced by those of the best, whose weight it then only shares.
    A class that any student masks gets the same large negative number in all of them.
    """
    shifted, excluded = _shift_by_target(logits, labels)
    _check_students_are_known("logits", shifted)
    best = tf.argmin(_cross_entropies(shifted, excluded), axis=0)
    students, excluded = tf.transpose(shifted, [1, 0, 2]), tf.transpose(excluded)
    of_best = tf.gather(students, best, axis=1, batch_dims=1)[:, tf.newaxis]
    students = tf.where(excluded[..., tf.newaxis], of_best, students)
    masked = tf.reduce_any(tf.equal(students, -np.inf), axis=1, keepdims=True)
    return tf.where(masked, simplex.MASKED, students), excluded


def _linear_weights(students, excluded):
    """The solver's weights, or the best student alone where that is the optimum.

    A student whose loss is lower by a rounding is taken only if its own duality gap
    certifies it too: near an optimum inside the simplex a corner's gap can be the larger.
    """
    weights = simplex.minimise_logsumexp(students)
    mixed = tf.reduce_logsumexp(_mix(students, weights), axis=-1)
    # The first student of the least loss, and never a copy of it in an excluded one's place.
    losses = tf.reduce_logsumexp(students, axis=-1)
    alone = tf.reduce_min(losses, axis=-1)
    usable = excluded == tf.reduce_all(excluded, axis=-1, keepdims=True)
    corner = tf.argmin(tf.where(usable, losses, np.inf), axis=-1)
    corner = tf.one_hot(corner, students.shape[1])
    largest = tf.reduce_max(tf.where(students > simplex.MASKED, tf.abs(students), 0.0), [1, 2])
    certified = (alone <= mixed) & (_duality_gap(students, corner) <= _CERTIFIED_GAP)
    solved = (mixed < alone + _NO_WORSE + _ROUNDING * largest) & ~certified
    weights = tf.where(solved[:, tf.newaxis], weights, corner)
    lost = tf.reduce_sum(tf.where(usable, 0.0, weights), axis=-1, keepdims=True)
    return tf.stop_gradient(tf.where(usable, weights, 0.0) + lost * corner)


def _mix(students, weights):
    return tf.linalg.matvec(students, weights, transpose_a=True)


def _duality_gap(students, weights):
    """`<w, grad> - min(grad)` of logsumexp at `w`; `[B]` from `[B, M, C]` and `[B, M]`."""
    mixed = _mix(students, weights)
    gradient = tf.linalg.matvec(students, tf.nn.softmax(mixed))
    return tf.reduce_sum(weights * gradient, axis=-1) - tf.reduce_min(gradient, axis=-1)
