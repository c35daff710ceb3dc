"""Convex minimisation over the simplex `{w >= 0, sum(w) = 1}`, inside the graph.

Two problems, each with as many unknowns as there are students, M:

* `minimise_logsumexp`: Eq. 5 of the paper, one problem for each example, in a fixed number of
  steps, whose duality gap the tests bound;
* `minimise_quadratic`: Eq. 9, one problem for each epoch, solved exactly.

Neither loops over data in Python or calls an outside solver, so both run in eager mode,
in `tf.function` and under XLA, for any M.
"""

import numpy as np
import tensorflow as tf

__all__ = [
    "MASKED",
    "add_ridge",
    "minimise_logsumexp",
    "minimise_quadratic",
    "unconstrained_quadratic",
]

# Stands for -inf in `minimise_logsumexp`: a probability of 0 at any scale of logits, while
# differences and products with 0 are still numbers.
MASKED = -1e30

# Newton steps for three vectors, and for more.  With 16 one in a thousand examples of 8 vectors
# whose logits span 100 to 500 stayed unsolved, some by many nats.
_STEPS = 18
_STEPS_OF_MANY = 32
# In the last steps the combination is made anew from the weights, whose rounding it would drift
# away from.
_FRESH_STEPS = 4
_STEPS_AT_FINAL_BARRIER = 2
_FINAL_BARRIER = 2e-6
_STEP_FRACTIONS = (1.0, 0.5, 0.2, 0.05)
_TO_BOUNDARY = 0.95
_DUAL_RANGE = 100.0
# The barrier stays as it is while the duality gap is more than this many times the optimum's.
_NEAR_PATH = 200.0
# With logits in the hundreds logsumexp is nearly piecewise linear.  It is smoothed while the
# barrier is large, and not smoothed at all once the barrier is below 1 / _SMOOTHING.
_SMOOTHING = 2.0
# Added to each student's curvature, relative to it: more than float32's rounding, so that no
# system is singular.
_DAMPING = 1e-6

# Halvings of the interval [0, 1]: float32 resolves 24.
_BISECTIONS = 24

# Relative to each student's own error, so that it is tiny beside the smallest too.  Large enough
# that identical students get equal weights in float64, small enough to leave the optimum alone.
_TINY_RIDGE = 1e-10
# A student whose error is at most this, relative to the mean, counts as perfect.
_PERFECT = 1e-24


def minimise_logsumexp(vectors: tf.Tensor) -> tf.Tensor:
    """The convex combination of M vectors with the least logsumexp.

    The one free weight of two vectors is found by bisection.  For more vectors this is a
    primal-dual interior-point method with a fixed number of steps.  With barrier `mu` the
    optimum's duality gap is `M * mu`; `mu` falls geometrically from a tenth of the logits'
    range, for each example as fast as its weights can follow.  The line search takes the step
    whose slope is nearest to zero: in float32 slopes stay accurate where differences of
    function values are lost to rounding.  Float32 weights can resolve a gap of about 1e-7
    times the squared range of the logits; beyond ranges of some thousands the fixed number of
    steps limits the gap.

    Args:
      vectors: `[B, M, C]` float32.  A class that is left out has `MASKED` in all M vectors.

    Returns:
      `[B, M]` weights on the simplex.
    """
    examples, students = tf.shape(vectors)[0], vectors.shape[1]
    if students == 1:
        return tf.ones([examples, 1])
    if students == 2:
        return _minimise_over_pair(vectors)
    least = tf.where(vectors > 0.5 * MASKED, vectors, np.inf)
    spread = tf.reduce_max(vectors, axis=[1, 2]) - tf.reduce_min(least, axis=[1, 2])
    barrier = 0.1 * tf.maximum(spread, 1e-2)[:, tf.newaxis]
    final = tf.minimum(tf.maximum(_FINAL_BARRIER, 1e-7 * spread[:, tf.newaxis]), barrier)
    steps = _STEPS if students == 3 else _STEPS_OF_MANY
    shrink = tf.pow(final / barrier, 1.0 / (steps - 1 - _STEPS_AT_FINAL_BARRIER))
    weights = tf.fill([examples, students], 1.0 / students)
    mixed = _combination(vectors, weights)
    dual = barrier / weights
    for index in range(steps):
        if index >= steps - _FRESH_STEPS:
            mixed = _combination(vectors, weights)
        soft = tf.maximum(1.0, _SMOOTHING * barrier)
        weights, mixed, dual, gap = _interior_point_step(
            vectors, 1.0 / soft, weights, mixed, dual / soft, barrier / soft
        )
        near = gap * soft < _NEAR_PATH * students * barrier
        barrier = tf.where(near, tf.maximum(barrier * shrink, final), barrier)
        central = barrier / weights
        dual = tf.clip_by_value(dual * soft, central / _DUAL_RANGE, central * _DUAL_RANGE)
    return weights


def _minimise_over_pair(vectors):
    """`minimise_logsumexp` of two vectors: the root of the slope, found by bisection.

    The slope rises with the second vector's weight, so bisection is right at any scale of
    logits; and it costs a fifth of the general method.

    Args:
      vectors: `[B, 2, C]` float32.

    Returns:
      `[B, 2]` weights.
    """
    first, difference = vectors[:, 0], vectors[:, 1] - vectors[:, 0]
    second, width = tf.fill([tf.shape(vectors)[0], 1], 0.5), 0.5
    for _ in range(_BISECTIONS):
        width /= 2.0
        probabilities = tf.nn.softmax(first + second * difference)
        slope = tf.reduce_sum(probabilities * difference, axis=-1, keepdims=True)
        second -= width * tf.sign(slope)
    return tf.concat([1.0 - second, second], axis=-1)


def _interior_point_step(vectors, scale, weights, mixed, dual, barrier):
    """One Newton step on the perturbed optimality conditions, in relative weights.

    The problem is that of `scale * vectors`.  Only results of `[B, C]` and smaller are
    scaled, since another pass over `[B, M, C]` would take longer.

    Args:
      mixed: `[B, C]`, the combination that the weights make.

    Returns:
      The new weights, `[B, M]`, their combination, `[B, C]`, the new duals, `[B, M]`, and
      the duality gap before the step, `[B, 1]`.
    """
    relative, gap = _newton_direction(vectors, scale, scale * mixed, weights, dual, barrier)
    direction = _combination(vectors, weights * relative)
    step = _line_search(scale * mixed, scale * direction, relative, barrier)
    dual = dual + step * (barrier / weights - dual * relative - dual)
    weights = weights * (1.0 + step * relative)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    return weights / total, (mixed + step * direction) / total, dual, gap


def _combination(vectors, weights):
    """`[B, C]`: the sum of weighted vectors, in half the time of a small product per example."""
    students = vectors.shape[1]
    return tf.add_n([vectors[:, i] * weights[:, i : i + 1] for i in range(students)])


def _newton_direction(vectors, scale, mixed, weights, dual, barrier):
    """The change of each weight relative to itself, `[B, M]`, and the duality gap, `[B, 1]`.

    The change keeps the sum of the weights.
    """
    probabilities = tf.nn.softmax(mixed)
    gradient = tf.linalg.matvec(vectors, probabilities)
    # With the root of the probabilities on both sides, one product over [B, M, C] suffices.
    rooted = (vectors - gradient[..., tf.newaxis]) * tf.sqrt(probabilities)[:, tf.newaxis]
    across = (scale * weights)[..., tf.newaxis]
    curvature = tf.matmul(rooted, rooted, transpose_b=True)
    curvature *= across * tf.linalg.matrix_transpose(across)
    gradient *= scale
    centred = gradient - tf.reduce_sum(weights * gradient, axis=-1, keepdims=True)
    right = tf.stack([barrier - weights * centred, weights], axis=-1)
    solved = _solve(curvature + tf.linalg.diag(weights * dual), right)
    free, along_sum = solved[..., 0], solved[..., 1]
    multiplier = tf.reduce_sum(weights * free, axis=-1, keepdims=True) / tf.reduce_sum(
        weights * along_sum, axis=-1, keepdims=True
    )
    return free - multiplier * along_sum, -tf.reduce_min(centred, axis=-1, keepdims=True)


def _solve(matrix, right):
    """`matrix^-1 right` for positive definite matrices that float32 may have made singular.

    `tf.linalg.solve` stops the program at a singular matrix, which NaN logits lead to.  Here
    such logits give zeros or NaN, so that the NaN loss can be reported.
    """
    root = tf.sqrt(tf.linalg.diag_part(matrix))[..., tf.newaxis]
    unit = tf.eye(matrix.shape[-1])
    scaled = matrix / (root * tf.linalg.matrix_transpose(root)) + _DAMPING * unit
    usable = tf.reduce_all(tf.math.is_finite(scaled), axis=[1, 2], keepdims=True)
    return tf.linalg.solve(tf.where(usable, scaled, unit), right / root) / root


def _line_search(mixed, direction, relative, barrier):
    """`[B, 1]`: of a few step lengths that keep all weights positive, the flattest slope's."""
    longest = tf.reduce_max(-relative, axis=-1, keepdims=True)
    longest = tf.minimum(1.0, _TO_BOUNDARY / tf.maximum(longest, 1e-30))
    steps = longest * tf.constant([_STEP_FRACTIONS])
    probabilities = tf.nn.softmax(
        mixed[:, tf.newaxis] + steps[..., tf.newaxis] * direction[:, tf.newaxis]
    )
    ratio = relative[:, tf.newaxis] / (1.0 + steps[..., tf.newaxis] * relative[:, tf.newaxis])
    slope = tf.linalg.matvec(probabilities, direction)
    slope -= barrier * tf.reduce_sum(ratio, axis=-1)
    flattest = tf.argmin(tf.abs(slope), axis=-1)
    return tf.gather(steps, flattest, batch_dims=1)[:, tf.newaxis]


def add_ridge(matrix: tf.Tensor, ridge: float) -> tf.Tensor:
    """`matrix + ridge * mean(diag) * I`; `[M, M]`."""
    mean = tf.linalg.trace(matrix) / tf.cast(tf.shape(matrix)[0], matrix.dtype)
    return matrix + tf.cast(ridge, matrix.dtype) * mean * tf.eye(
        tf.shape(matrix)[0], dtype=matrix.dtype
    )


def minimise_quadratic(matrix: tf.Tensor) -> tf.Tensor:
    """The exact minimiser of `w' C w` on the simplex, for a symmetric C >= 0.

    Scaling turns the problem into `x >= 0, Cx >= 1, x'(Cx - 1) = 0` with `w = x / sum(x)`,
    a linear complementarity problem.  Murty's pivoting solves it: take a support, the set of
    students with weight, and while any student's sign is wrong, move the last such student
    into or out of it.  This ends for every positive definite C, after a handful of solves
    when there are few students.  The weights are as exact among students whose errors are a tiny
    part of another's, down to 1e-12 of the mean (root mean square), where a student is perfect.

    Args:
      matrix: `[M, M]` float64; M must be known in a graph.

    Returns:
      `[M]` float64.
    """
    matrix, scale = _make_definite(matrix)
    students = matrix.shape[0]
    limit = 2 ** min(students, 12)

    def has_wrong_sign(pivots, support):
        return tf.logical_and(pivots < limit, tf.reduce_any(_wrong_signs(matrix, scale, support)))

    def switch_last(pivots, support):
        wrong = tf.cast(_wrong_signs(matrix, scale, support), tf.int32)
        last = tf.reduce_max(wrong * tf.range(1, students + 1)) - 1
        return pivots + 1, tf.not_equal(support, tf.equal(tf.range(students), last))

    everyone = tf.ones([students], tf.bool)
    _, support = tf.while_loop(has_wrong_sign, switch_last, [tf.constant(0), everyone])
    return _weights(tf.maximum(_solve_on_support(matrix, scale, support), 0.0), scale)


def unconstrained_quadratic(matrix: tf.Tensor) -> tf.Tensor:
    """Eq. 11 as printed, `C^-1 1 / (1' C^-1 1)`: weights may be negative.  `[M]` float64."""
    matrix, scale = _make_definite(matrix)
    everyone = tf.ones([matrix.shape[0]], tf.bool)
    return _weights(_solve_on_support(matrix, scale, everyone), scale)


def _make_definite(matrix):
    """C of students that are scaled to an error of 1 each, with a tiny ridge, and their scales.

    The mean diagonal of `C = scale * matrix * scale'` is 1, but for the ridge, which makes it
    positive definite.  Of students without errors C is a multiple of the identity.

    Returns:
      `[M, M]` and `[M]`.
    """
    mean = tf.linalg.trace(matrix) / matrix.shape[0]
    relative = matrix / tf.where(mean > 0, mean, tf.ones_like(mean))
    scale = tf.sqrt(tf.maximum(tf.linalg.diag_part(relative), _PERFECT))
    scaled = relative / (scale[:, tf.newaxis] * scale)
    return scaled + _TINY_RIDGE * tf.eye(matrix.shape[0], dtype=matrix.dtype), scale


def _solve_on_support(matrix, scale, support):
    """`scale * x`, where `Cx = 1` on the support and `x = 0` off it; C is `_make_definite`'s."""
    on = tf.cast(support, matrix.dtype)
    masked = matrix * on[:, tf.newaxis] * on[tf.newaxis] + tf.linalg.diag(1.0 - on)
    return tf.linalg.solve(masked, (on / scale)[:, tf.newaxis])[:, 0]


def _wrong_signs(matrix, scale, support):
    """`[M]` bool: students on the support with a negative weight, or off it that would help."""
    solution = _solve_on_support(matrix, scale, support)
    slack = tf.linalg.matvec(matrix, solution) * scale - 1.0
    return tf.where(support, solution < 0.0, slack < -1e-9)


def _weights(solution, scale):
    """`x / sum(x)` of `scale * x`."""
    weights = solution / scale
    return weights / tf.reduce_sum(weights)
