"""Tests of kdcl_tf.reproduction.reporting.blocks."""

from absl.testing import absltest

from kdcl_tf.reproduction.reporting.blocks import Figure, Grid, Heading, Paragraph


class BlocksTest(absltest.TestCase):
    def test_text_is_escaped_in_html_and_plain_in_markdown(self):
        for block in (Heading("a < b"), Paragraph("a < b")):
            self.assertIn("a &lt; b", block.html())
            self.assertIn("a < b", block.markdown())
        self.assertEqual(Paragraph("ls", code=True).markdown(), "```\nls\n```")

    def test_the_heading_of_a_part(self):
        self.assertEqual(Heading("Cost", level=3).markdown(), "### Cost")
        self.assertEqual(Heading("Cost", level=3).html(), "<h3>Cost</h3>")

    def test_a_grid(self):
        grid = Grid(
            heads=("Method", "ResNet-20"),
            rows=(("A|B", "1.0"), ("C", "2.0")),
            caption="Scale: small.",
            best=frozenset([(1, 1)]),
            quiet=frozenset([0]),
        )
        self.assertEqual(
            grid.markdown(),
            "| Method | ResNet-20 |\n| --- | ---: |\n| A\\|B | 1.0 |\n| C | **2.0** |\n\nScale: small.",
        )
        page = grid.html()
        self.assertIn('<tr class="quiet"><th scope="row">A|B</th><td>1.0</td></tr>', page)
        self.assertIn('<td class="best">2.0</td>', page)
        self.assertIn("ResNet\N{NON-BREAKING HYPHEN}20", page)

    def test_a_figure_is_a_picture_in_markdown(self):
        self.assertEqual(Figure("<svg/>", "c", "a.png").markdown(), "![c](a.png)")
        self.assertEqual(Figure("<svg/>", "c").markdown(), "")
        self.assertIn("<svg/>", Figure("<svg/>", "c").html())


if __name__ == "__main__":
    absltest.main()
