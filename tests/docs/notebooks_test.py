"""Tests of the notebooks."""

import json
import os
import pathlib
import re
import tempfile
from unittest import mock

import pytest
from absl.testing import absltest, parameterized

from tests import documents
from tests.docs import command_values


class NotebooksTest(parameterized.TestCase):
    notebooks = sorted((documents.PAGES / "tutorials").glob("*.ipynb"))

    @parameterized.named_parameters((path.stem, path) for path in notebooks)
    def test_it_was_run_from_the_top_and_tells_nothing_of_a_machine(self, path):
        text = path.read_text()
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        self.assertEqual(
            [cell["execution_count"] for cell in cells], list(range(1, len(cells) + 1))
        )
        self.assertFalse(
            [each for cell in cells for each in cell["outputs"] if each["output_type"] == "error"]
        )
        self.assertTrue([cell for cell in cells if cell["outputs"]])
        self.assertNotRegex(text, r"(?<![\w.])/(root|home|tmp|usr|opt|work)/|Warning")
        self.assertLess(len(text), 300_000)

    @parameterized.named_parameters((path.stem, path) for path in notebooks)
    def test_its_commands_parse(self, path):
        cells = json.loads(path.read_text())["cells"]
        lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        commands = re.findall(r"^!(kdcl-.*)$", lines.replace("\\\n", " "), re.MULTILINE)
        self.assertLen(commands, lines.count("!kdcl-"))
        for line in commands:
            program, *arguments = line.split(" > ")[0].split()
            # Another flag or value ends the program.
            self.assertIsNotNone(command_values.values(program, arguments))

    def test_what_a_notebook_keeps_of_its_outputs(self):
        pytest.importorskip("nbclient", reason="the extra docs is not installed")
        import run_notebooks
        from nbformat import v4

        def stream(text, name="stdout"):
            return v4.new_output("stream", name=name, text=text)

        figure = {"image/png": "AAAA", "text/plain": "<Figure>"}
        outputs = [
            stream("\r  0%|   | 0/2 [00:00<?]\r      \r[1/2] begins in /tmp/x/run"),
            stream("\n 50%|## | 1/2\r100%|###| 2/2\n[1/2] 93.33% in 2.8 min\n"),
            stream(
                "a.py:1: UserWarning: mind\n  the_line()\nI0000 00:00:1 port.cc:1] oneDNN\n",
                "stderr",
            ),
            v4.new_output("display_data", figure),
        ]
        cell = v4.new_code_cell("run()", outputs=outputs, metadata={"collapsed": False})
        done = run_notebooks.cleaned(v4.new_notebook(cells=[cell]), pathlib.Path("/tmp/x"))
        told, drawn = done.cells[0].outputs
        self.assertEqual(told.text, "[1/2] begins in ./run\n[1/2] 93.33%\n")
        self.assertEqual(drawn.data, {"image/png": "AAAA"})
        self.assertEqual(done.cells[0].metadata, {})

    @parameterized.named_parameters((path.stem, path) for path in notebooks)
    @pytest.mark.slow  # Below: it would not reach the tests that are made of this one.
    def test_it_runs(self, path):
        pytest.importorskip("nbclient", reason="the extra docs is not installed")
        pytest.importorskip("ipykernel", reason="the extra docs is not installed")
        import nbformat
        import run_notebooks

        with (
            mock.patch.dict(os.environ, PYTHONPATH=str(documents.ROOT)),
            tempfile.TemporaryDirectory() as folder,
        ):
            written = nbformat.read(path, as_version=4)
            done = run_notebooks.run(nbformat.read(path, as_version=4), pathlib.Path(folder))
        counts = [[cell.get("execution_count") for cell in each.cells] for each in (done, written)]
        self.assertEqual(*counts)


if __name__ == "__main__":
    absltest.main()
