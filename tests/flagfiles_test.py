"""Tests of flags/: every row of the paper's CIFAR tables can be run from its flagfile."""

import dataclasses
import functools
import pathlib
import re

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf import methods, students
from kdcl_tf.classification import factory, flags as classification_flags
from kdcl_tf.classification.inputs import create_views
from kdcl_tf.files import flagfiles
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.students.cost import multiply_adds
from kdcl_tf.training import schedules
from tests.cifar_like import cifar_like

_FOLDER = pathlib.Path(__file__).parents[1] / "flags" / "cifar100"
# Those of the paper; rows of our own have the flagfiles of its rows.
_TABLES = [table for table in TABLES.values() if table.folder == "cifar100" and not table.home]
_ROWS = [(table, row) for table in _TABLES for row in table.rows]
_CLASSES = {
    "kdcl": methods.KDCL,
    "independent": methods.Independent,
    "mutual_learning": methods.MutualLearning,
    "offline_distillation": methods.OfflineDistillation,
    "one": methods.ONE,
    "clnn": methods.CLNN,
}


# `general_icl` with other weights: flagfile, what its comment names, and what differs.
_OTHER_WEIGHTS = (
    ("general_icl_target_error", "Eq. 8", {"general_error": "target"}),
    ("general_icl_raw_weights", "Eq. 11", {"general_constraint": "none"}),
    ("general_icl_equal_weights", "equal weights", {"general_constraint": "equal"}),
)


def _settings(name, *more):
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    values(["kdcl-train", *flagfiles.expanded([f"--flagfile=kdcl:cifar100/{name}", *more])])
    return classification_flags.settings_from_flags(values)


def _settings_of(row):
    return _settings(row.name, *(["--teacher=elsewhere"] if row.teacher else []))


def _head(name):
    lines = (_FOLDER / f"{name}.flags").read_text().splitlines()
    return " ".join(line[2:] for line in lines if line.startswith("# "))


@functools.cache
def _cost(name):
    return multiply_adds(students.build(name, 100))


class FlagfilesTest(parameterized.TestCase):
    def test_every_row_has_its_flagfile_and_every_flagfile_its_row(self):
        names = {path.stem for path in _FOLDER.glob("*.flags")} - {"recipe"}
        names -= {name for name, _, _ in _OTHER_WEIGHTS}
        self.assertEqual(names, {row.name for _, row in _ROWS})
        self.assertEqual({table.number: len(table.rows) for table in _TABLES},
                         {"7": 14, "9": 7, "10": 3, "5_cifar100": 5})  # fmt: skip

    @parameterized.named_parameters((row.name, table, row) for table, row in _ROWS)
    def test_it_says_table_row_number_and_cost(self, table, row):
        head = _head(row.name)
        place = f"Table {table.number.partition('_')[0]}, "
        place += "lambda" if table.number == "9" else f"row {table.rows.index(row) + 1}:"
        self.assertStartsWith(head, place)
        for position, number in zip(row.reports, row.paper):
            if isinstance(position, int) and number is not None:
                self.assertIn(str(number), head)
        self.assertRegex(head, r"Cost: \d+ million multiply-adds per image in the forward pass")
        self.assertRegex(head, r"(9|10)\.0 million images per run")

    @parameterized.named_parameters((row.name, row) for _, row in _ROWS)
    def test_it_is_the_papers_recipe(self, row):
        settings = _settings_of(row)
        found = {
            name: getattr(settings, name)
            for name in ("dataset", "epochs", "batch_size", "momentum", "weight_decay", "seed")
        }
        wanted = {"dataset": "cifar100", "epochs": 200, "batch_size": 128, "momentum": 0.9}
        self.assertEqual(found, {**wanted, "weight_decay": 5e-4, "seed": 0})
        self.assertEmpty(settings.remarks(100))
        rate = schedules.create(settings, 10)
        epochs = (0, 99, 100, 149, 150, 199)
        rates = [float(rate(10 * epoch)) for epoch in epochs]
        for value, wanted in zip(rates, (0.1, 0.1, 0.01, 0.01, 0.001, 0.001)):
            self.assertAlmostEqual(value, wanted, places=6)
        if settings.method in ("kdcl", "offline_distillation"):
            self.assertEqual(settings.temperature, 2.0)

    @parameterized.named_parameters((row.name, row) for _, row in _ROWS)
    def test_its_images_are_those_its_comment_counts(self, row):
        settings = _settings_of(row)
        trained = 500 - settings.holdout_per_class
        images = trained * 100 * settings.epochs
        self.assertIn(f"{images / 1e6:.1f} million images", _head(row.name))
        self.assertEqual(settings.uses_general, settings.holdout_per_class == 50)

    @parameterized.named_parameters((row.name, row) for _, row in _ROWS)
    def test_icl_and_lambda_are_those_of_the_row(self, row):
        settings = _settings_of(row)
        self.assertEqual(settings.invariant, row.invariant)
        weight = float(row.label.removeprefix("λ = ")) if "λ" in row.label else 1.0
        self.assertEqual(settings.distillation_weight, weight)
        self.assertEqual(settings.cutout, row.name.startswith("cutout"))

    @parameterized.named_parameters((row.name, row) for _, row in _ROWS)
    def test_its_cohort_and_data_can_be_built(self, row):
        settings = _settings_of(row)
        dataset = cifar_like(holdout_per_class=min(settings.holdout_per_class, 1))
        members = factory.create_students(settings, 100, (32, 32, 3))
        if row.teacher:
            cohort = methods.OfflineDistillation(members, students.build("resnet8", 100))
        else:
            cohort = factory.create_cohort(settings, members, dataset, 391)
        self.assertIs(type(cohort), _CLASSES[settings.method])
        views = create_views(settings, dataset)
        images, labels = next(iter(views.epoch(0, 100)))
        self.assertEqual(isinstance(images, dict), settings.invariant)
        self.assertEqual(labels.shape, [100])
        self._check_cost(row, settings, cohort)

    @parameterized.parameters(*_OTHER_WEIGHTS)
    def test_other_weights_of_general_differ_from_general_icl_in_that_alone(
        self, name, named, fields
    ):
        usual, other = _settings("general_icl"), _settings(name)
        self.assertEqual(other, dataclasses.replace(usual, **fields))
        ensemble = factory.create_ensemble(other)
        self.assertEqual(ensemble.error, fields.get("general_error", "vector"))
        self.assertEqual(ensemble.constraint, fields.get("general_constraint", "simplex"))
        head = _head(name)
        self.assertIn(named, head)
        self.assertIn("Paper: ResNet-32 74.3, WRN-16-2 75.5", head)
        self.assertEndsWith(head, _head("general_icl").partition("5 runs). ")[2])

    def _check_cost(self, row, settings, cohort):
        network = getattr(cohort, "network", None)
        trained = settings.students
        if row.teacher:
            trained = ("resnet32", "wrn_16_2")
        found = multiply_adds(network) if network else sum(map(_cost, trained))
        said = int(re.search(r"Cost: (\d+) million", _head(row.name))[1])
        self.assertEqual(said, round(found / 1e6))


if __name__ == "__main__":
    absltest.main()
