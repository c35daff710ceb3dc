"""Tests of what students cost."""

import keras
from absl.testing import absltest, parameterized

from kdcl_tf import methods, students
from kdcl_tf.students.cost import multiply_adds


class CostTest(parameterized.TestCase):
    def test_a_network_counted_by_hand(self):
        images = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 3, padding="same")(images)  # 8*8 * 3*3*3*4
        x = keras.layers.Conv2D(6, 1, strides=2)(x)  # 4*4 * 4*6
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Flatten()(x)
        x = keras.layers.Dense(5)(x)  # 96 * 5
        model = keras.Model(images, x)
        self.assertEqual(multiply_adds(model), 64 * 108 + 16 * 24 + 480)
        nested = keras.Sequential([keras.Input((8, 8, 3)), model])
        self.assertEqual(multiply_adds(nested), multiply_adds(model))

    def test_a_layer_or_a_model_that_is_called_twice_counts_twice(self):
        images = keras.Input((8, 8, 3))
        same = keras.layers.Conv2D(3, 3, padding="same")
        tower = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 1)])
        model = keras.Model(images, tower(tower(same(same(images)))))
        self.assertEqual(multiply_adds(model), 2 * 64 * 81 + 2 * 64 * 9)
        # On smaller images, too.
        pooled = keras.Model(images, same(keras.layers.MaxPooling2D(2)(same(images))))
        self.assertEqual(multiply_adds(pooled), 64 * 81 + 16 * 81)

    def test_a_call_that_the_model_does_not_make_is_not_counted(self):
        layer, large, small = (
            keras.layers.Conv2D(3, 1),
            keras.Input((8, 8, 3)),
            keras.Input((2, 2, 3)),
        )
        layer(large)
        self.assertEqual(multiply_adds(keras.Model(small, layer(small))), 4 * 9)

    def test_channels_may_come_first(self):
        images = keras.Input((3, 8, 8))
        layer = keras.layers.Conv2D(4, 1, data_format="channels_first")
        self.assertEqual(multiply_adds(keras.Model(images, layer(images))), 64 * 12)

    def test_sizes_that_are_not_known_are_refused(self):
        layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)]
        with self.assertRaisesRegex(ValueError, "expected images of a known size; got .*None, 4"):
            multiply_adds(keras.Sequential(layers))
        images = keras.Input((8, 8, 3))
        model = keras.Model(images, keras.Sequential(layers)(images))
        with self.assertRaisesRegex(ValueError, "which is called as a layer: expected inputs of"):
            multiply_adds(model)

    @parameterized.parameters(("resnet32", 69.13), ("wrn_16_2", 101.12), ("resnet20", 40.82))
    def test_students_of_the_paper(self, name, millions):
        self.assertAlmostEqual(multiply_adds(students.build(name, 100)) / 1e6, millions, places=2)

    def test_depthwise_and_separable_layers_counted_by_hand(self):
        images = keras.Input((8, 8, 3))
        x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(images)  # 4*4 * 3*3*3
        x = keras.layers.MaxPooling2D(2)(x)
        x = keras.layers.SeparableConv2D(5, 3, padding="same")(x)  # 2*2 * (3*3*3 + 3*5)
        x = keras.layers.Conv2D(10, 1, groups=5)(x)  # 2*2 * 10
        model = keras.Model(images, x)
        self.assertEqual(multiply_adds(model), 16 * 27 + 4 * (27 + 15) + 40)

    @parameterized.parameters(
        ("resnet18", 1.814),
        ("resnet50", 4.089),
        ("mobilenet_v2", 0.301),
        ("mobilenet_v2_0.5", 0.097),
        ("keras:MobileNetV2", 0.301),
    )
    def test_students_for_imagenet(self, name, billions):
        model = students.build(name, 1000, (224, 224, 3))
        self.assertAlmostEqual(multiply_adds(model) / 1e9, billions, places=3)

    def test_what_branches_share_counts_once(self):
        branches = students.build_branches("resnet20", 100, copies=(3,))
        whole = multiply_adds(methods.ONE(branches).network)
        each = multiply_adds(branches["resnet20"])
        self.assertBetween(whole, each, 3 * each)

    def test_a_layer_it_does_not_know_is_refused(self):
        for layer in (
            keras.layers.Conv2DTranspose(2, 3),
            keras.layers.EinsumDense("bhwc,cd->bhwd", (8, 8, 2)),
        ):
            model = keras.Sequential([keras.Input((8, 8, 3)), layer])
            with self.assertRaisesRegex(ValueError, "cannot count .*: expected one of Conv2D"):
                multiply_adds(model)


if __name__ == "__main__":
    absltest.main()
