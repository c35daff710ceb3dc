"""Tests of kdcl_tf.detection.model.backbone."""

import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, methods, serving, students
from kdcl_tf.data import normalization
from kdcl_tf.detection.model import backbone, backbone_source
from kdcl_tf.detection.model.backbone_source import BackboneSource
from kdcl_tf.serving.cards import Card
from kdcl_tf.students.normalization import FusedBatchNormalization
from tests.students.weights import torch_state

_SIDE = 8


def _student(name="resnet8", num_classes=10, side=_SIDE, channels=3):
    """Untrained, with moving statistics that are not those of a fresh layer."""
    keras.utils.set_random_seed(1)
    student = students.build(name, num_classes, (side, side, channels))
    _move_statistics(student)
    return student


def _move_statistics(model):
    rng = np.random.default_rng(2)
    for variable in model.non_trainable_variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))


def _images(height=_SIDE, width=_SIDE, channels=3):
    return tf.random.stateless_normal([2, height, width, channels], [0, 0])


def _features(student, images):
    """`{stride: features}` of the student's own layers, at its own size."""
    levels = students.feature_levels(student)
    outputs = [student.get_layer(name).output for name in levels.values()]
    return dict(zip(levels, keras.Model(student.input, outputs)(images, training=False)))


class BackboneTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, kind, student, side=_SIDE):
        """The file or folder of a student, as `kdcl-export` writes it."""
        if kind == "keras":
            return serving.save_keras(student, self.folder / "student.keras")
        if kind == "weights":
            return serving.save_weights(student, self.folder / "student.weights.h5")
        dataset = data.load("digits", image_size=side)
        names = tuple(dataset.class_names[: student.output_shape[-1]])
        card = dataclasses.replace(Card.of(student, dataset), class_names=names)
        return serving.export_student(student, self.folder / "student", card=card)

    def source(self, kind, path, architecture="resnet8"):
        return BackboneSource(kind, path, "" if kind == "keras" else architecture)

    def refused(self, source, message, **kwargs):
        with self.assertRaisesRegex(ValueError, message) as caught:
            backbone.build(source, **kwargs)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)


class FreshTest(BackboneTestCase):
    @parameterized.parameters(
        ("resnet18", {"4": 64, "8": 128, "16": 256, "32": 512}),
        ("mobilenet_v2_0.5", {"4": 16, "8": 16, "16": 48, "32": 160}),
        ("resnet20", {"1": 16, "2": 32, "4": 64}),
        ("wrn_10_2", {"1": 32, "2": 64, "4": 128}),
    )
    def test_levels_of_images_of_any_size(self, name, channels):
        built = backbone.build(BackboneSource("fresh", None, name))
        self.assertEqual(built.input_shape, (None, None, None, 3))
        for height, width in ((64, 96), (32, 32)):
            found = built(_images(height, width), training=False)
            self.assertEqual(
                {stride: each.shape.as_list() for stride, each in found.items()},
                {
                    stride: [2, height // int(stride), width // int(stride), count]
                    for stride, count in channels.items()
                },
            )

    def test_what_only_the_logits_need_is_left_out(self):
        built = backbone.build(BackboneSource("fresh", None, "resnet18"))
        head = 512 * 1000 + 1000
        whole = students.build("resnet18", 1000, (32, 32, 3))
        self.assertEqual(built.count_params(), whole.count_params() - head)


class WrittenTest(BackboneTestCase):
    @parameterized.product(
        kind=("saved_model", "weights", "keras"), name=("resnet8", "wrn_10_1"), classes=(2, 10)
    )
    def test_it_gives_what_the_student_gives(self, kind, name, classes):
        student = _student(name, classes)
        path = self.write(kind, student)
        built = backbone.build(self.source(kind, path, name))
        images = _images()
        found, expected = built(images, training=False), _features(student, images)
        self.assertEqual(list(found), [str(stride) for stride in expected])
        for stride, features in expected.items():
            self.assertAllClose(found[str(stride)], features, atol=1e-5)
        self.assertEqual(built(_images(16, 24))["4"].shape[:3], [2, 4, 6])

    def test_weights_are_those_of_the_student(self):
        student = _student()
        built = backbone.build(self.source("saved_model", self.write("saved_model", student)))
        own = {each.path: each.numpy() for each in student.variables}
        self.assertLen(built.variables, len(own) - 2)
        for variable in built.variables:
            self.assertAllEqual(variable, own[variable.path])

    @parameterized.parameters("saved_model", "weights", "keras")
    def test_a_branch_is_a_student_like_any_other(self, kind):
        branches = students.build_branches("resnet8", 10, (_SIDE, _SIDE, 3), copies=(2, 4))
        student = branches["resnet8_4"]
        _move_statistics(student)
        built = backbone.build(self.source(kind, self.write(kind, student)))
        images = _images()
        for stride, features in _features(student, images).items():
            found = built(images, training=False)[str(stride)]
            self.assertAllClose(found, features, atol=1e-5)

    @pytest.mark.slow
    def test_a_student_for_imagenet_with_its_dropout(self):
        student = _student("mobilenet_v2_0.5", side=32)
        path = self.write("saved_model", student, side=32)
        built = backbone.build(self.source("saved_model", path, "mobilenet_v2_0.5"))
        images = _images(32, 32)
        for stride, features in _features(student, images).items():
            self.assertAllClose(built(images)[str(stride)], features, atol=1e-4)

    def test_policy_and_synchronisation_are_those_that_are_asked_for(self):
        path = self.write("keras", _student())
        source = self.source("keras", path)
        built = backbone.build(source, synchronized=True, dtype="mixed_bfloat16")
        norms = [each for each in built.layers if isinstance(each, FusedBatchNormalization)]
        self.assertNotEmpty(norms)
        self.assertTrue(all(each.synchronized for each in norms))
        self.assertEqual({each.dtype for each in built.variables}, {"float32"})
        exact = backbone.build(source)(_images(), training=False)
        for stride, found in built(_images(), training=False).items():
            self.assertEqual(found.dtype, tf.bfloat16)
            self.assertAllClose(tf.cast(found, tf.float32), exact[stride], rtol=0.1, atol=0.1)

    def test_every_layer_is_trained_whatever_the_file_has_frozen(self):
        student, counts = _student(), []
        for trainable in (True, False):
            student.trainable = trainable
            built = backbone.build(self.source("keras", self.write("keras", student)))
            counts.append(len(built.trainable_variables))
        self.assertEqual(counts[0], counts[1])
        self.assertNotEmpty(built.trainable_variables)
        norms = [each for each in built.layers if isinstance(each, FusedBatchNormalization)]
        self.assertTrue(all(each.trainable for each in norms))

    def test_a_file_of_torchvisions(self):
        arrays, image = torch_state.state("resnet18")
        path = torch_state.write(self.folder / "resnet18.safetensors", arrays)
        source = backbone_source.find(str(path), "resnet18")
        self.assertEqual(source.normalization, normalization.IMAGENET)
        built = backbone.build(source)
        student = students.build("resnet18", 5, (64, 64, 3), weights=path)
        wanted = keras.Model(student.input, student.get_layer("stage4_block2_relu2").output)
        self.assertAllClose(built(image)["32"], wanted(image), atol=1e-4, rtol=1e-4)
        body = {name: value for name, value in arrays.items() if not name.startswith("fc.")}
        torch_state.write(path, body)
        self.assertAllClose(backbone.build(source)(image)["32"], built(image)["32"])
        with self.assertRaisesRegex(ValueError, "an unknown architecture; architecture=NAME says"):
            backbone_source.find(str(path))


class RefusedTest(BackboneTestCase):
    @parameterized.parameters("saved_model", "weights")
    def test_another_architecture(self, kind):
        path = self.write(kind, _student("resnet8"))
        message = self.refused(self.source(kind, path, "wrn_10_1"), "wrn_10_1")
        self.assertIn(f"backbone={path}", message)

    @parameterized.product(
        kind=("saved_model", "weights"), names=(("resnet14", "resnet8"), ("resnet8", "resnet14"))
    )
    def test_the_same_architecture_of_another_depth(self, kind, names):
        written, told = names
        path = self.write(kind, _student(written))
        self.refused(self.source(kind, path, told), f"{told}")

    @parameterized.parameters("saved_model", "weights")
    def test_the_same_architecture_of_another_width(self, kind):
        path = self.write(kind, _student("wrn_10_1"))
        self.refused(self.source(kind, path, "wrn_10_2"), "wrn_10_2")

    @parameterized.parameters("weights", "keras")
    def test_a_file_of_anything(self, kind):
        path = self.folder / "student.weights.h5"
        path.write_text("no weights")
        self.refused(self.source(kind, path), f"backbone={path}")

    @parameterized.parameters("saved_model.pb", "variables/variables.data-00000-of-00001")
    def test_a_saved_model_that_was_cut_short(self, name):
        path = self.write("saved_model", _student("resnet8"))
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[: len(content) // 2])
        source = self.source("saved_model", path)
        self.refused(source, f"^backbone={path} is a SavedModel that cannot be loaded")

    def test_a_keras_file_that_was_cut_short(self):
        path = self.write("keras", _student("resnet8"))
        path.write_bytes(path.read_bytes()[:2000])
        self.refused(self.source("keras", path), "got no whole zip")

    def test_a_weights_file_without_a_dense_layer(self):
        model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
        path = self.write("weights", model)
        # It could be a student without its head, and then has not all other layers.
        self.refused(self.source("weights", path), "expected weights of a resnet8; got .* loaded")

    def test_a_saved_model_of_something_else(self):
        class Adder(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
            def add(self, number):
                return number + 1.0

        path, adder = self.folder / "adder", Adder()
        for signatures in (None, {"serving_default": adder.add}):
            tf.saved_model.save(adder, str(path), signatures=signatures)
            self.refused(
                self.source("saved_model", path), "with a signature serving_default .*; got no"
            )

    def test_a_keras_file_that_scales_its_images_itself(self):
        images = keras.Input((_SIDE, _SIDE, 3))
        scaled = keras.layers.Rescaling(1 / 255, name="scale")(images)
        path = self.write("keras", keras.Model(images, _student()(scaled)))
        self.refused(
            self.source("keras", path), f"backbone={path}: .*layer scale scales its images"
        )

    @parameterized.parameters("RandomFlip", "RandomRotation", "RandomContrast")
    def test_a_keras_file_that_distorts_its_images_itself(self, kind):
        images = keras.Input((_SIDE, _SIDE, 3))
        layer = getattr(keras.layers, kind)(*() if kind == "RandomFlip" else (0.1,), name="own")
        # Inside a model as well, where Keras's tutorials put them.
        for distort in (layer, keras.Sequential([keras.Input((_SIDE, _SIDE, 3)), layer])):
            path = self._written(images, distort(images))
            self.refused(
                self.source("keras", path),
                f"backbone={path}: .*layer own, a {kind}, moves or changes",
            )

    def test_a_keras_file_with_a_pipeline_of_distortions(self):
        images = keras.Input((_SIDE, _SIDE, 3))
        distort = keras.layers.Pipeline([keras.layers.RandomFlip("horizontal")], name="own")
        path = self._written(images, distort(images))
        self.refused(self.source("keras", path), "layer own, a Pipeline, moves or changes")

    def _written(self, images, distorted):
        path = self.folder / "distorting.keras"
        keras.Model(images, keras.layers.Conv2D(4, 3)(distorted)).save(path)
        return path

    def test_a_whole_cohort(self):
        path = self.folder / "cohort.keras"
        methods.Independent({name: _student() for name in "ab"}).save(path)
        self.refused(
            self.source("keras", path), f"backbone={path}: expected one student.*; got Independent"
        )

    def test_a_student_of_gray_images(self):
        path = self.write("keras", _student(channels=1))
        self.refused(
            self.source("keras", path), "expected a student of images of 3 channels; got one of 1"
        )


def _net(side=32, padding="same"):
    images = x = keras.Input((side, side, 3))
    for stride in (2, 4, 8):
        x = keras.layers.Conv2D(4, 3, strides=2, padding=padding, name=f"to_{stride}")(x)
        x = keras.layers.BatchNormalization(name=f"norm_{stride}")(x)
        x = keras.layers.ReLU(name=f"ends_{stride}")(1.5 * x)
    x = keras.layers.GlobalAveragePooling2D(name="means")(x)
    return keras.Model(images, keras.layers.Dense(10, name="logits")(x), name="net")


class FeatureLayersTest(BackboneTestCase):
    def built(self, model, *names, **kwargs):
        path = self.write("keras", model)
        return backbone.build(self.source("keras", path), feature_layers=names, **kwargs)

    @parameterized.parameters(32, 40, None)
    def test_any_layers_of_a_functional_model(self, side):
        model = _net(side)
        _move_statistics(model)
        built = self.built(model, "ends_8", "ends_4")
        images = _images(32, 48) if side is None else _images(side, side)
        outputs = [model.get_layer(name).output for name in ("ends_4", "ends_8")]
        expected = keras.Model(model.input, outputs)(images, training=False)
        found = built(images, training=False)
        self.assertCountEqual(found, ["4", "8"])
        self.assertAllClose(found["4"], expected[0], atol=1e-5)
        self.assertAllClose(found["8"], expected[1], atol=1e-5)
        self.assertEqual(built(_images(64, 16))["8"].shape, [2, 8, 2, 4])

    def test_convolutions_that_are_not_padded_are_refused(self):
        images = keras.Input((64, 64, 3))
        x = keras.layers.Conv2D(4, 3, strides=2, padding="valid", name="two")(images)
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="four")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        net = keras.Model(images, keras.layers.Dense(10)(x), name="net")
        with self.assertRaisesRegex(
            ValueError, "^backbone net: expected features of H / stride; got 255 at stride 2 of 512"
        ):
            self.built(net, "two", "four")
        # 255 / 2 is rounded up to what a padded one gives.
        self.assertEqual(self.built(net, "four")(_images(64, 32))["4"].shape, [2, 16, 8, 4])

    def test_a_classifier_of_keras_that_does_not_pad_is_refused(self):
        source = BackboneSource("fresh", None, "keras:Xception")
        message = "^backbone keras_Xception: .* got 127 at stride 4 of 512 pixels"
        self.refused(source, message, feature_layers=("block3_sepconv2_bn",))

    def test_a_policy_reaches_layers_and_leaves_products_alone(self):
        built = self.built(_net(), "ends_8", dtype="mixed_bfloat16", synchronized=True)
        self.assertEqual(built(_images(32, 32))["8"].dtype, tf.bfloat16)
        norm = built.get_layer("norm_2")
        self.assertIsInstance(norm, FusedBatchNormalization)
        self.assertTrue(norm.synchronized)

    def test_a_classifier_of_keras(self):
        source = BackboneSource("fresh", None, "keras:MobileNetV2")
        names = "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"
        built = backbone.build(source, feature_layers=names)
        found = built(_images(64, 96), training=False)
        shapes = {stride: each.shape.as_list() for stride, each in found.items()}
        expected = {"4": 144, "8": 192, "16": 576, "32": 1280}
        self.assertEqual(
            shapes,
            {each: [2, 64 // int(each), 96 // int(each), expected[each]] for each in expected},
        )

    @parameterized.parameters(
        (
            ("ends_4", "end_8", "ends"),
            "feature_layers: expected layers of net; got end_8, ends, which it does not have",
        ),
        (("ends_4", "norm_4"), r"feature_layers=ends_4,norm_4: expected one layer a stride"),
        (("ends_4", "means"), "expected layers that give features .*; got means of net"),
        ((), "or pass feature_layers=NAMES"),
    )
    def test_other_layers_are_refused(self, names, message):
        path = self.write("keras", _net())
        self.refused(self.source("keras", path), message, feature_layers=names)


if __name__ == "__main__":
    tf.test.main()
