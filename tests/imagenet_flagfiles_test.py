"""Tests of flags/imagenet: every row of the paper's ImageNet tables can be run from a flagfile."""

import functools
import pathlib
import re

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf import methods, students
from kdcl_tf.classification import factory, flags as classification_flags
from kdcl_tf.files import flagfiles
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.students.cost import multiply_adds
from kdcl_tf.training import schedules
from tests.cifar_like import cifar_like

_FOLDER = pathlib.Path(__file__).parents[1] / "flags" / "imagenet"
_TABLES = [table for table in TABLES.values() if table.folder == "imagenet"]
_RUNS = {row.name: row for table in _TABLES for row in table.runs}
_IMAGES = 1_281_167
_EACH_RUN = parameterized.named_parameters(*_RUNS.items())


def _settings(name):
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    teacher = ["--teacher=elsewhere"] if _RUNS[name].teacher else []
    values(["kdcl-train", *flagfiles.expanded([f"--flagfile=kdcl:imagenet/{name}", *teacher])])
    return classification_flags.settings_from_flags(values)


def _head(name):
    lines = (_FOLDER / f"{name}.flags").read_text().splitlines()
    return " ".join(line[2:] for line in lines if line.startswith("# "))


@functools.cache
def _student(architecture, name):
    return students.build(architecture, 1000, (224, 224, 3), model_name=name)


@functools.cache
def _branched(method, copies):
    branches = students.build_branches("resnet18", 1000, (224, 224, 3), copies=copies)
    return method(branches)


class ImageNetFlagfilesTest(parameterized.TestCase):
    def test_every_run_has_its_flagfile_and_every_flagfile_its_run(self):
        names = {path.stem for path in _FOLDER.glob("*.flags")}
        self.assertEqual(names - {"recipe", "recipe_100", "recipe_300"}, set(_RUNS))
        rows = {table.number: len(table.rows) for table in _TABLES}
        self.assertEqual(rows, {"1": 4, "2": 9, "3": 5, "4": 15, "5": 5, "6": 2})

    @_EACH_RUN
    def test_it_says_nothing_that_has_no_effect(self, row):
        self.assertEmpty(_settings(row.name).remarks(100))

    @_EACH_RUN
    def test_it_says_its_tables_and_the_papers_numbers(self, row):
        head = _head(row.name)
        for table in _TABLES:
            # Table 5's first row is a run that Table 1 has by another name.
            if row in table.rows and row.name != "vanilla_100_resnet18":
                self.assertRegex(head, rf"Tables? ([1-6], )*([1-6] and )?{table.number}\b|"
                                 rf"Table {table.number},")  # fmt: skip
                for reported, number in zip(row.reports, row.paper):
                    if isinstance(reported, int):
                        self.assertIn(str(number), head)

    @_EACH_RUN
    def test_it_is_the_papers_recipe(self, row):
        settings = _settings(row.name)
        found = (settings.dataset, settings.distortion, settings.image_size, settings.batch_size)
        self.assertEqual(found, ("imagenet2012", "resized_crop", 224, 2048))
        self.assertEqual((settings.momentum, settings.weight_decay), (0.9, 1e-4))
        drops = {200: (60, 120, 180), 300: (90, 180, 270), 100: (30, 60, 90)}[settings.epochs]
        steps = 10
        rate = schedules.create(settings, steps)
        wanted = [(0, 0.1), (2.5, 0.45), (5, 0.8), (drops[0] - 1, 0.8)]
        wanted += [(epoch, 0.8 * 0.1**count) for count, epoch in enumerate(drops, start=1)]
        wanted += [(drops[1] - 1, 0.08), (settings.epochs - 1, 0.0008)]
        for epoch, value in wanted:
            self.assertAlmostEqual(float(rate(epoch * steps)), value, places=6, msg=epoch)

    @_EACH_RUN
    def test_epochs_and_images_are_those_of_its_comment(self, row):
        settings = _settings(row.name)
        self.assertEqual("100" in row.name or row.name.startswith("students"),
                         settings.epochs == 100)  # fmt: skip
        only_mobile = all(name.startswith("mobilenet_v2") for name in settings.students)
        self.assertEqual(only_mobile, settings.epochs == 300)
        self.assertEqual(settings.holdout_per_class, 20 if settings.uses_general else 0)
        images = (_IMAGES - 1000 * settings.holdout_per_class) * settings.epochs
        self.assertIn(f"{images / 1e6:.1f} million images per run", _head(row.name))
        self.assertEqual(settings.invariant, row.invariant)

    @_EACH_RUN
    def test_its_cohort_can_be_built_and_costs_what_it_says(self, row):
        settings = _settings(row.name)
        if settings.is_branched:
            method = {"one": methods.ONE, "clnn": methods.CLNN}[settings.method]
            cohort = _branched(method, settings.copies)
            cost = multiply_adds(cohort.network)
        else:
            members = {
                name: _student(architecture, name)
                for name, architecture in zip(settings.student_names, settings.students)
            }
            cost = sum(map(multiply_adds, members.values()))
            if row.teacher:
                teacher = _student(row.teacher[0].rpartition("_")[2], "teacher")
                cohort = methods.OfflineDistillation(members, teacher)
                cost += multiply_adds(teacher)
            else:
                cohort = factory.create_cohort(settings, members, cifar_like(), 626)
        self.assertEqual(cohort.num_classes, 1000)
        said = re.search(r"Cost: ([\d.]+) billion", _head(row.name))[1]
        self.assertEqual(said, f"{cost / 1e9:.2f}")

    @parameterized.parameters(
        ("one", methods.ONE, (3,), "29.5"), ("clnn", methods.CLNN, (2, 4), "40.5")
    )
    def test_branches_have_the_parameters_that_the_paper_prints(self, name, method, copies, paper):
        found = students.parameter_count(_branched(method, copies))
        self.assertEqual(f"{found / 1e6:.1f}", paper)
        self.assertIn(f"{paper} million (paper: {paper}M)", _head(name))


if __name__ == "__main__":
    absltest.main()
