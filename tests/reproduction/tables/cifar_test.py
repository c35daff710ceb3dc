"""Tests of kdcl_tf.reproduction.tables.cifar: the numbers against the paper's text."""

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.tables.cifar import CIFAR_TABLES

_TABLES = {table.number: table for table in CIFAR_TABLES}


class CifarTablesTest(parameterized.TestCase):
    @parameterized.parameters(
        # The paper prints these gains: sums over both students, over Vanilla.
        ("kd_wrn_to_resnet", 3.4),
        ("kd_resnet_to_wrn", 2.3),
        ("dml", 6.0),
        ("naive", 6.4),
        ("naive_icl", 6.6),
        ("linear", 5.9),
        ("linear_icl", 6.4),
        ("min_logit", 5.0),
        ("min_logit_icl", 6.0),
        ("general", 7.1),
        ("general_icl", 7.7),
    )
    def test_accuracies_of_table_7_add_up_to_the_gains_printed_there(self, name, gain):
        table = _TABLES["7"]
        found = sum(table.row(name).paper) - sum(table.row("vanilla").paper)
        self.assertAlmostEqual(found, gain, places=6)

    def test_lambda_1_is_the_last_row_of_table_7(self):
        self.assertEqual(_TABLES["9"].row("lambda_1").paper, _TABLES["7"].row("general_icl").paper)


if __name__ == "__main__":
    absltest.main()
