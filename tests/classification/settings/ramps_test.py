"""Tests of kdcl_tf.classification.settings.ramps."""

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings.ramps import Ramp


class RampTest(parameterized.TestCase):
    def test_known_numbers(self):
        ramp = Ramp("2:0,4:1,10:0.25")
        found = [ramp.at(epoch) for epoch in (0, 2, 3, 4, 8, 10, 99)]
        self.assertEqual(found, [0.0, 0.0, 0.5, 1.0, 0.5, 0.25, 0.25])

    def test_nothing_is_one_everywhere(self):
        self.assertEqual([Ramp("").at(epoch) for epoch in (0, 7)], [1.0, 1.0])

    def test_one_text_for_one_meaning(self):
        self.assertEqual(str(Ramp(" 0:0.0, 20:1e0")), "0:0,20:1")
        self.assertEqual(str(Ramp(str(Ramp("0:0.123,20:1")))), "0:0.123,20:1")
        # No digit is lost: the text is what the run is told by.
        self.assertEqual(str(Ramp("0:0.123456789,20:1e-12")), "0:0.123456789,20:1e-12")

    @parameterized.parameters(
        ("0", "EPOCH:NUMBER, such as 0:0,20:1, both at least 0; got 0"),
        ("0:0,", "got nothing"),
        ("-1:0", "got -1:0"),
        ("0:-1", "got 0:-1"),
        ("0:nan", "got 0:nan"),
        ("0:inf", "got 0:inf"),
        ("1.5:1", "got 1.5:1"),
        ("3:0,3:1", "expected epochs that rise; got 3:0,3:1"),
        ("3:0,2:1", "expected epochs that rise"),
    )
    def test_it_is_refused(self, text, message):
        with self.assertRaisesRegex(ValueError, message):
            Ramp(text)


if __name__ == "__main__":
    absltest.main()
