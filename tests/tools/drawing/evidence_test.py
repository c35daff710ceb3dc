"""Tests of tools/drawing/evidence.py."""

import pathlib

from absl.testing import absltest
from drawing.evidence import RESULTS, evidence

from tests.reproduction.written_runs import write_run


class EvidenceTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.results = pathlib.Path(self.create_tempdir().full_path)

    def _write(self, row, seed, first, second):
        folder = self.results / "proof" / "table7_small"
        write_run(folder, row, seed, {"a": first, "b": second})

    def test_without_the_proofs_runs_the_former_ones_are_shown_and_called_that(self):
        write_run(self.results / "table7_small", "vanilla", 0, {"a": 0.3, "b": 0.4})
        write_run(self.results / "table7_small", "dml", 0, {"a": 0.4, "b": 0.4})
        # A baseline alone has no gain to show.
        self._write("vanilla", 0, 0.3, 0.4)
        found = evidence(self.results)
        self.assertEqual([row.name for row in found.gaining], ["dml"])
        self.assertEqual(
            found.title, "former small scale: 60 epochs, bfloat16, former padding, seed 0"
        )

    def test_the_proofs_runs_come_first_and_name_their_seeds(self):
        for seed in (0, 1):
            self._write("vanilla", seed, 0.3, 0.4)
            self._write("general_icl", seed, 0.4, 0.5)
        found = evidence(self.results)
        self.assertEqual(found.title, "small scale, seeds 0, 1")
        self.assertEqual(found.best().name, "general_icl")
        self._write("min_logit_icl", 0, 0.4, 0.5)
        found = evidence(self.results)
        self.assertEqual(found.best().name, "min_logit_icl")
        self.assertEqual(found.title_of([found.best()]), "small scale, seed 0")
        # Its baseline is not complete.
        self._write("general_icl", 2, 0.4, 0.5)
        self.assertEqual(evidence(self.results).title, "small scale, seeds 0, 1")

    def test_there_is_evidence(self):
        self.assertNotEmpty(evidence(RESULTS).gaining)


if __name__ == "__main__":
    absltest.main()
