"""Tiny branched networks, built by hand, for tests of the methods that train them."""

import keras

IMAGE = (6, 6, 2)
CLASSES = 4


def tree(copies=(3,), seed=0, batch_norm=False):
    """`{name: keras.Model}`, a trunk and `copies` of each later stage, as `build_branches`."""
    keras.utils.set_random_seed(seed)
    images = keras.Input(IMAGE, name="images")
    x = keras.layers.Conv2D(3, 3, activation="tanh", name="trunk")(images)
    outputs = [keras.layers.BatchNormalization(name="trunk_norm")(x) if batch_norm else x]
    for level, count in enumerate(copies):
        inputs = [x for x in outputs for _ in range(count // len(outputs))]
        outputs = [
            keras.layers.Conv2D(3, 2, activation="tanh", name=f"level{level}_copy{index}")(x)
            for index, x in enumerate(inputs)
        ]
    pooled = [keras.layers.GlobalAveragePooling2D()(x) for x in outputs]
    logits = [keras.layers.Dense(CLASSES, name=f"head{index}")(x) for index, x in enumerate(pooled)]
    names = [f"branch{index}" for index in range(len(logits))]
    return {name: keras.Model(images, x, name=name) for name, x in zip(names, logits)}
