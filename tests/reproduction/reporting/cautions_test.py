"""Tests of kdcl_tf.reproduction.reporting.cautions."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting.cautions import cautions
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.serving import exported
from tests.reproduction.written_runs import write_run

_ACCURACIES = {"resnet20": 0.30, "wrn_16_2": 0.40}


class CautionsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _told(self, seeds=1, number="7"):
        table = TABLES[number]
        small = scales.scale("small", table)
        subject = Subject(
            Records(self.folder, table, seeds), small.headings(table), small, "command"
        )
        return [each.markdown() for each in cautions(subject)]

    def test_runs_that_compare_need_none(self):
        self.assertEmpty(self._told())
        for row in ("vanilla", "dml"):
            write_run(self.folder, row, 0, _ACCURACIES, settings={"epochs": 100})
        self.assertEmpty(self._told())

    def test_other_settings_and_other_images_are_told(self):
        for row, settings, last in (("vanilla", {"epochs": 60}, "dog"), ("dml", {}, "cow")):
            images = {"identity": {"data": {"classes": ["cat", last]}}}
            write_run(self.folder, row, 0, _ACCURACIES, settings=settings, **images)
        settings, images = self._told()
        self.assertEndsWith(settings, "made now: --epochs=60 (now 100) of Vanilla (seed 0).")
        self.assertRegex(images, "must not be compared .*: DML, seed 0 .classes 'dog' are gone")

    def test_runs_on_another_processor_than_their_baseline_are_told(self):
        ours, other = ({"machine": {"processor": name}} for name in ("one", "other"))
        for row, seed, more in (
            ("vanilla", 0, ours),
            ("dml", 0, ours),
            ("naive", 0, other),
            ("linear", 0, {"machine": {}}),
            ("vanilla", 1, {"machine": {}}),
            ("dml", 1, ours),
            ("naive", 1, {"machine": {}}),
            # Without a baseline there is nothing to compare with.
            ("linear", 2, other),
        ):
            write_run(self.folder, row, seed, _ACCURACIES, settings={"epochs": 100}, **more)
        unlike, unknown, seeds = self._told(seeds=3)
        self.assertRegex(
            unlike, "another than that of the baseline of their seed, or that of one of"
        )
        names = unlike.rpartition(": ")[2]
        self.assertCountEqual(
            names.rstrip(".").split("), "),
            ["DML (seed 1", "KDCL-Naive (seed 0", "KDCL-Linear (seed 0)"],
        )
        self.assertRegex(unknown, "processor is not recorded; .* the same: KDCL-Naive .seed 1..$")
        self.assertRegex(
            seeds,
            "^The seeds of these rows differ in the processor, .*: Vanilla, .*Naive.*, .*Linear",
        )
        self.assertNotIn("DML", seeds)

    def test_other_versions_and_other_numbers_of_devices_than_the_baseline_are_told(self):
        versions = {"kdcl_tf": "0.1.0", "python": "3.11.1"}
        for row, more in (
            ("vanilla", {"versions": versions}),
            ("dml", {"versions": {**versions, "python": "3.12.0"}}),
            ("naive", {"versions": {**versions, "kdcl_tf": "1.0.0"}}),
            ("linear", {"versions": versions, "normalized_parts": 2}),
            # Of an earlier version, which recorded the strategy alone.
            ("min_logit", {"versions": versions, "settings": {"strategy": "mirrored"}}),
            ("general", {"versions": versions, "normalized_parts": 1}),
        ):
            more = {"settings": {"epochs": 100}, **more}
            write_run(self.folder, row, 0, _ACCURACIES, **more)
        of_versions, of_devices, of_replicas = self._told()
        self.assertEndsWith(of_versions, "the baseline of their seed: KDCL-Naive (seed 0).")
        self.assertRegex(
            of_devices,
            "another number of devices .*: KDCL-Linear .seed 0., KDCL-MinLogit .seed 0..$",
        )
        self.assertRegex(
            of_replicas, "one of the two is not recorded, .*: KDCL-MinLogit .seed 0..$"
        )

    def test_runs_of_several_processes_that_differ_are_told(self):
        machine = {"processor": "one", "accelerators": []}
        one, two = (
            {"machine": machine, "normalized_parts": n, "dependent_replicas": 1} for n in (1, 2)
        )
        for row, processes in (
            ("vanilla", [one]),
            ("dml", [one]),
            # Begun on two devices, and ended on one.
            ("naive", [two, one]),
            ("linear", [{**one, "dependent_replicas": 2}, one]),
        ):
            more = {**one, "processes": processes, "settings": {"epochs": 100}}
            write_run(self.folder, row, 0, _ACCURACIES, **more)
        of_parts, of_others = self._told()
        self.assertEndsWith(of_parts, "those of the method alone: KDCL-Naive (seed 0).")
        self.assertEndsWith(of_others, "those of the method alone: KDCL-Linear (seed 0).")

    def test_a_teacher_that_was_trained_anew_is_told(self):
        data = {"teacher": "of another"}
        write_run(self.folder, "vanilla", 0, _ACCURACIES, settings={"epochs": 100})
        write_run(self.folder, "kd_wrn_to_resnet", 0, {"resnet20": 0.4}, identity={"data": data})
        # Published runs have no students.
        self.assertEmpty(self._told())
        teacher = self.folder / "vanilla" / "seed0" / "students" / "wrn_16_2"
        teacher.mkdir(parents=True)
        (teacher / "saved_model.pb").write_bytes(b"model")
        self.assertRegex(self._told()[0], "teacher of these runs is not .* since: .*seed 0..$")
        data["teacher"] = exported.digest(teacher)
        write_run(self.folder, "kd_wrn_to_resnet", 0, {"resnet20": 0.4}, identity={"data": data})
        self.assertEmpty(self._told())

    def test_a_baseline_may_be_runs_of_its_own_and_accelerators_count(self):
        for name in ("vanilla_resnet50", "vanilla_resnet18"):
            machine = {"processor": "one", "accelerators": []}
            write_run(self.folder, name, 0, {name: 0.5}, machine=machine)
        machine = {"processor": "one", "accelerators": ["A100"]}
        pair = {"resnet50": 0.6, "resnet18": 0.5}
        write_run(self.folder, "naive", 0, pair, machine=machine)
        self.assertRegex(self._told(number="2")[-1], ": KDCL-Naive.* .seed 0.\\.$")

    def test_training_images_are_those_of_the_first_run_on_as_many(self):
        splits = (
            {"train": {"images": 50, "labels": "a" * 64}},
            {"train": {"images": 45, "labels": "b" * 64}, "held_out": {"images": 5}},
            {"train": {"images": 45, "labels": "c" * 64}, "held_out": {"images": 5}},
        )
        for row, data in zip(("vanilla", "dml", "general"), splits):
            settings = {"epochs": 100}
            write_run(self.folder, row, 0, _ACCURACIES, settings=settings, identity={"data": data})
        told = self._told()[-1]
        self.assertRegex(told, "the runs before them: KDCL-General, seed 0 .train labels differ.")

    def test_a_run_of_another_seed_or_row_is_told(self):
        for seed in (0, 1):
            write_run(self.folder, "vanilla", seed, _ACCURACIES, settings={"seed": 0})
        settings = {"seed": 0, "ensemble": "min_logit"}
        write_run(self.folder, "general_icl", 0, _ACCURACIES, settings=settings)
        (told,) = self._told(seeds=2)
        self.assertIn("--ensemble=min_logit (now general) of KDCL-General + ICL (seed 0)", told)
        self.assertIn("--seed=0 (now 1) of Vanilla (seed 1)", told)


if __name__ == "__main__":
    absltest.main()
