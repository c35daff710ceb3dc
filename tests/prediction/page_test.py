"""Tests of kdcl_tf.prediction.page; `writing_test` reads whole pages."""

from absl.testing import absltest

from kdcl_tf.prediction import page
from kdcl_tf.prediction.predicting import Prediction


class PageTest(absltest.TestCase):
    def test_a_page_of_nothing_is_complete_and_names_the_student(self):
        text = page.head("a<b", 1) + page.END
        self.assertIn("<title>What a&lt;b sees</title>", text)
        self.assertIn("<p>1 image; classes with their probabilities</p>", text)
        self.assertEndsWith(text, "</html>\n")

    def test_a_bar_is_as_long_as_the_probability(self):
        text = page.figure(Prediction("a.png", ("x",), (0.125,)), "")
        self.assertIn('<li style="--share: 12.50%"><span>x</span><span>12.50%</span></li>', text)
        self.assertNotIn("<img", text)


if __name__ == "__main__":
    absltest.main()
