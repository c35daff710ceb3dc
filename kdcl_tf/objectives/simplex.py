"""Convex minimisation over the simplex `{w >= 0, sum(w) = 1}`, inside the graph.

Two problems, both small in the number of students M and both solved to a certificate:

* `minimise_logsumexp`: Eq. 5 of the paper, one problem an example;
* `minimise_quadratic`: Eq. 9, one problem an epoch.

Neither loops over data in Python or calls an outside solver, so both run in eager mode,
in `tf.function` and under XLA, for any M.
"""

import tensorflow as tf

# Measured over M = 3..8, C = 2..1000, logit scales 1..10, of 130,000 examples normal and
# heavy-tailed: 16 steps leave a gap below 3e-4 where float32 can resolve it.
_STEPS = 16
_STEPS_AT_FINAL_BARRIER = 2
_FINAL_BARRIER = 2e-6
_STEP_FRACTIONS = (1.0, 0.5, 0.2, 0.05)
_TO_BOUNDARY = 0.95
_DUAL_RANGE = 100.0
# The barrier waits where the duality gap is more than this many times the optimum's.
_NEAR_PATH = 200.0
# Logits in the hundreds make logsumexp a function of kinks; it is smoothed while the
# barrier is large, and itself when that is below 1 / _SMOOTHING.
_SMOOTHING = 2.0
# Relative to each student's own curvature: above float32's rounding, so that no system is
# singular.
_DAMPING = 1e-6

# Halvings of the interval [0, 1]: float32 resolves 24.
_BISECTIONS = 24

# Relative to mean(diag(C)).  Large enough that identical students come out equal in
# float64, small enough to change no optimum by more than 1e-10 of it.
_TINY_RIDGE = 1e-10


def minimise_logsumexp(vectors):
    """The convex combination of M vectors with the least logsumexp.

    Two vectors have one weight to choose, which is bisected.  For more it is a primal-dual
    interior-point method with a fixed number of steps.  With barrier `mu` the optimum's
    duality gap is `M * mu`; `mu` falls geometrically from a tenth of the logits' range,
    example by example, wherever the weights keep up.  The line search takes the step whose
    slope is nearest to zero: slopes stay accurate in float32 where differences of function
    values drown.  The gap that float32 weights can resolve is about 1e-7 times the squared
    range of the logits; beyond ranges of some thousands the fixed number of steps is what
    limits it.

    Args:
      vectors: `[B, M, C]` float32.

    Returns:
      `[B, M]` weights on the simplex.
    """
    examples, students = tf.shape(vectors)[0], vectors.shape[1]
    if students == 1:
        return tf.ones([examples, 1])
    if students == 2:
        return _minimise_over_pair(vectors)
    spread = tf.reduce_max(vectors, axis=[1, 2]) - tf.reduce_min(vectors, axis=[1, 2])
    barrier = 0.1 * tf.maximum(spread, 1e-2)[:, tf.newaxis]
    final = tf.minimum(tf.maximum(_FINAL_BARRIER, 1e-7 * spread[:, tf.newaxis]), barrier)
    shrink = tf.pow(final / barrier, 1.0 / (_STEPS - 1 - _STEPS_AT_FINAL_BARRIER))
    weights = tf.fill([examples, students], 1.0 / students)
    mixed = _combination(vectors, weights)
    dual = barrier / weights
    for _ in range(_STEPS):
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
    """`minimise_logsumexp` of two vectors: the slope along the one weight is bisected.

    The slope rises with the weight, so this is right at any scale of logits; and it costs
    a fifth of the general method.

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

    The problem is that of `scale * vectors`.  What is scaled are results, `[B, C]` and
    smaller: `[B, M, C]` is read often enough.

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
    """`[B, C]`: the sum of weighted vectors, in half the time of so many small products."""
    students = vectors.shape[1]
    return tf.add_n([vectors[:, i] * weights[:, i : i + 1] for i in range(students)])


def _newton_direction(vectors, scale, mixed, weights, dual, barrier):
    """The change of each weight relative to itself, `[B, M]`, and the duality gap, `[B, 1]`.

    The change keeps the sum of the weights.
    """
    probabilities = tf.nn.softmax(mixed)
    gradient = tf.linalg.matvec(vectors, probabilities)
    # The root on both sides: one product over [B, M, C] instead of two.
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

    `tf.linalg.solve` stops the program at a singular matrix, and NaN logits make one; here
    they give zeros or NaN, and the caller reports the loss.
    """
    root = tf.sqrt(tf.linalg.diag_part(matrix))[..., tf.newaxis]
    unit = tf.eye(matrix.shape[-1])
    scaled = matrix / (root * tf.linalg.matrix_transpose(root)) + _DAMPING * unit
    usable = tf.reduce_all(tf.math.is_finite(scaled), axis=[1, 2], keepdims=True)
    return tf.linalg.solve(tf.where(usable, scaled, unit), right / root) / root


def _line_search(mixed, direction, relative, barrier):
    """`[B, 1]` step length: of a few that stay inside, the one with the flattest slope."""
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


def add_ridge(matrix, ridge):
    """`matrix + ridge * mean(diag) * I`; `[M, M]`."""
    mean = tf.linalg.trace(matrix) / tf.cast(tf.shape(matrix)[0], matrix.dtype)
    return matrix + tf.cast(ridge, matrix.dtype) * mean * tf.eye(
        tf.shape(matrix)[0], dtype=matrix.dtype
    )


def minimise_quadratic(matrix):
    """The exact minimiser of `w' C w` on the simplex, for a symmetric C >= 0.

    Scaling turns the problem into `x >= 0, Cx >= 1, x'(Cx - 1) = 0` with `w = x / sum(x)`.
    Murty's pivoting solves that: try a support, and while a sign is wrong, switch the last
    wrong one.  It ends for every positive definite C, after a handful of solves when the
    students are few.

    Args:
      matrix: `[M, M]` float64.

    Returns:
      `[M]` float64.
    """
    matrix = _make_definite(matrix)
    students = matrix.shape[0]
    limit = 2 ** min(students, 12)

    def has_wrong_sign(pivots, support):
        return tf.logical_and(pivots < limit, tf.reduce_any(_wrong_signs(matrix, support)))

    def switch_last(pivots, support):
        wrong = tf.cast(_wrong_signs(matrix, support), tf.int32)
        last = tf.reduce_max(wrong * tf.range(1, students + 1)) - 1
        return pivots + 1, tf.not_equal(support, tf.equal(tf.range(students), last))

    everyone = tf.ones([students], tf.bool)
    _, support = tf.while_loop(has_wrong_sign, switch_last, [tf.constant(0), everyone])
    solution = tf.maximum(_solve_on_support(matrix, support), 0.0)
    return solution / tf.reduce_sum(solution)


def unconstrained_quadratic(matrix):
    """Eq. 11 as printed, `C^-1 1 / (1' C^-1 1)`: weights may be negative.  `[M]` float64."""
    matrix = _make_definite(matrix)
    solution = _solve_on_support(matrix, tf.ones([matrix.shape[0]], tf.bool))
    return solution / tf.reduce_sum(solution)


def _make_definite(matrix):
    """Scaled to mean diagonal 1, with a tiny ridge; the zero matrix becomes a multiple of I."""
    mean = tf.linalg.trace(matrix) / matrix.shape[0]
    scaled = matrix / tf.where(mean > 0, mean, tf.ones_like(mean))
    return scaled + _TINY_RIDGE * tf.eye(matrix.shape[0], dtype=matrix.dtype)


def _solve_on_support(matrix, support):
    """`x` with `Cx = 1` on the support and `x = 0` off it."""
    on = tf.cast(support, matrix.dtype)
    masked = matrix * on[:, tf.newaxis] * on[tf.newaxis] + tf.linalg.diag(1.0 - on)
    return tf.linalg.solve(masked, on[:, tf.newaxis])[:, 0]


def _wrong_signs(matrix, support):
    """`[M]` bool: a negative weight on the support, or a student off it that would help."""
    solution = _solve_on_support(matrix, support)
    slack = tf.linalg.matvec(matrix, solution) - 1.0
    return tf.where(support, solution < 0.0, slack < -1e-9)
