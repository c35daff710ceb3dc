"""States of torchvision's networks, made by NumPy alone, and what torchvision makes of them."""

import numpy as np
from safetensors.numpy import save_file

from kdcl_tf import students
from kdcl_tf.students.weights import found, torchvision

# Names and shapes of `state_dict()` in torchvision 0.29, without the counters of batches: SHA-256
# of the sorted lines `name 64,3,7,7`.
CHECKSUMS = {
    "resnet18": "80792f24e335f198da2026579a542950278ecc2af08706df11ad4874b85d8062",
    "resnet34": "a677c9bb4d7afdda5fdc675aec32973b2012c3e8ad3553d443c2c5c59e55dae6",
    "resnet50": "c092c1e765beaab72bbb1be050f33f2f9fce96438c1289127a0bdcbf74ef3ce5",
    "mobilenet_v2": "23552965f01b60643254a50213309855962b4391c15ab7cf0050c806110ece96",
    "mobilenet_v2_0.5": "e623fe0041b1a8ced04804ae97eb8913efe58ed839304d4391df62893fbcf7d5",
}
# Logits of torchvision's networks of five classes with the weights of `state`, of `image`.
LOGITS = {
    "resnet18": (1.866188884, 0.208717942, -0.056215048, 0.021708071, 1.499883175),
    "resnet50": (-0.029602408, 2.327162266, 4.785390377, -3.169508457, -0.513066173),
    "mobilenet_v2": (0.875132024, 1.384910822, 1.040145874, 0.253462642, 1.831046820),
}


def shapes(student, architecture):
    """`{torchvision's name: shape}` of a student, as this project has them in PyTorch."""
    result = {}
    for path, variable in found.own_variables(student).items():
        shape = tuple(variable.shape)
        if len(shape) == 4:
            order = (2, 3, 0, 1) if "depthwise" in path else (3, 2, 0, 1)
            shape = tuple(shape[axis] for axis in order)
        elif len(shape) == 2:
            shape = shape[::-1]
        result[torchvision.of_student(path, architecture)] = shape
    return result


def state(architecture, num_classes=5):
    """`({torchvision's name: array}, image [1, 64, 64, 3])`, the same wherever NumPy runs."""
    student = students.build(architecture, num_classes, (64, 64, 3))
    random, result = np.random.default_rng(7), {}
    wanted = shapes(student, architecture)
    for name in sorted(wanted):
        shape = wanted[name]
        if len(shape) == 1:
            value = random.uniform(0.5, 1.5, shape)
        else:
            value = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        result[name] = value.astype(np.float32)
    return result, random.standard_normal((1, 64, 64, 3)).astype(np.float32)


def write(path, arrays):
    """Writes a .safetensors file, with a counter as PyTorch has many."""
    save_file({**arrays, "bn1.num_batches_tracked": np.array(3)}, path)
    return path
