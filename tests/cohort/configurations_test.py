"""Tests of kdcl_tf.cohort.configurations."""

import functools
import re

import keras
import tensorflow as tf

from kdcl_tf.cohort import configurations


class _Both:
    def __init__(self, first, *args, second=1, name=None, **kwargs):
        pass


class ConfigurationsTest(tf.test.TestCase):
    def test_arguments_that_a_configuration_lacks(self):
        self.assertEqual(configurations.lacking(_Both, ["first"]), ["second"])
        self.assertEqual(configurations.lacking(_Both, {}), ["first", "second"])
        self.assertEqual(configurations.lacking(_Both, ["second", "first", "third"]), [])
        self.assertEqual(configurations.lacking(type("Sub", (_Both,), {}), ["first"]), ["second"])

    def test_a_constructor_that_hands_on_what_it_gets_lacks_nothing(self):
        class Handing:
            def __init__(self, *args, **kwargs):
                pass

        self.assertEqual(configurations.lacking(Handing, {}), [])

    def test_what_lacks_arguments_is_refused_with_what_would_be_whole(self):
        message = (
            "expected _Both.get_config to give all arguments of the constructor, of which all is "
            "made; got no first, second: "
            'return {**super().get_config(), "first": ..., "second": ...}'
        )
        with self.assertRaisesRegex(ValueError, f"^{re.escape(message)}$"):
            configurations.check(_Both, {}, "of which all is made")
        configurations.check(_Both, {"first": 1, "second": 2}, "of which all is made")

    def test_whose_something_is(self):
        self.assertTrue(configurations.is_of("keras", keras.Model.from_config))
        self.assertFalse(configurations.is_of("keras", _Both))
        self.assertTrue(configurations.is_of("kdcl_tf", configurations.lacking))

    def test_what_takes_an_argument(self):
        def function(first, second=0):
            return first

        for each in (function, _Both, functools.partial(function, second=1)):
            self.assertTrue(configurations.takes(each, "second"))
            self.assertFalse(configurations.takes(each, "third"))
        self.assertFalse(configurations.takes(dict, "second"))
        self.assertTrue(configurations.takes(keras.layers.Dense, "units"))
        self.assertFalse(configurations.takes(keras.layers.Dense, "name"))

    def test_what_accepts_an_argument_among_others(self):
        for each in (_Both, keras.layers.Dense):
            self.assertTrue(configurations.accepts(each, "name"))
            self.assertTrue(configurations.accepts(each, "third"))
        self.assertTrue(configurations.accepts(keras.metrics.SparseTopKCategoricalAccuracy, "k"))
        for each in (keras.metrics.SparseTopKCategoricalAccuracy, lambda first: first, None):
            self.assertFalse(configurations.accepts(each, "third"))


if __name__ == "__main__":
    tf.test.main()
