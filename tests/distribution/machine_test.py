"""Tests of kdcl_tf.distribution.machine."""

import json
import os
import pathlib
import platform
import subprocess
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.distribution import machine

_TWO = """processor\t: 0
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC

processor\t: 1
cpu family\t: 26
model\t\t: 2
model name\t: another
"""


class MachineTest(parameterized.TestCase):
    def test_this_machine(self):
        found = machine.facts()
        self.assertTrue(found["processor"])
        self.assertEqual(found["cores"], len(os.sched_getaffinity(0)))
        self.assertEqual(found, json.loads(json.dumps(found)))

    def test_a_processor_is_told_with_its_generation_where_both_numbers_are_known(self):
        path = pathlib.Path(self.create_tempfile().full_path)
        for text, expected in (
            (_TWO, "AMD EPYC (family 25, model 1)"),
            ("model name : Neoverse\n", "Neoverse"),
            ("BogoMIPS : 50.00\n", platform.processor() or platform.machine()),
        ):
            path.write_text(text)
            self.assertEqual(machine.processor(path), expected)
        path.unlink()
        self.assertEqual(machine.processor(path), platform.processor() or platform.machine())

    @parameterized.parameters(
        ("fpu avx2 avx512f", "", True),
        ("fpu avx2 avx512f", "0", False),
        ("fpu avx2 avx_vnni", "", False),
        ("avx512f avx512_vnni", "", False),
        ("", "", False),
    )
    def test_a_processor_on_which_onednn_must_be_asked_for(self, features, asked, told):
        path = pathlib.Path(self.create_tempfile().full_path)
        path.write_text(f"flags : {features}\n\nflags : avx512_vnni\n")
        with mock.patch.dict(os.environ, TF_ENABLE_ONEDNN_OPTS=asked):
            found = machine.remark(path)
        self.assertEqual([each for each in found if "TF_ENABLE_ONEDNN_OPTS=1" in each], found)
        self.assertLen(found, int(told))
        self.assertEmpty(machine.remark(path.with_name("none")))

    def test_the_peak_is_this_process_s_and_not_that_of_the_one_that_started_it(self):
        path = pathlib.Path(self.create_tempfile().full_path)
        path.write_text("Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n")
        self.assertEqual(machine.peak_memory(path), 2.0)
        self.assertGreater(machine.peak_memory(path.with_name("none")), 10.0)
        self.assertGreater(machine.peak_memory(), 10.0)
        self.assertEqual(machine.used({"peak_memory_gib": 1e6})["peak_memory_gib"], 1e6)
        code = (
            "import pathlib; exec(pathlib.Path('kdcl_tf/distribution/machine.py').read_text()); "
            "print(peak_memory())"
        )
        large = bytearray(400 << 20)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        self.assertLess(float(done.stdout), len(large) / 2**20)

    def test_words(self):
        told = {"processor": "Z80", "cores": 1, "accelerators": []}
        self.assertEqual(machine.in_words(told), "1 core of Z80")
        told = {"processor": "Z80", "cores": 8, "accelerators": ["TPU", "Voodoo", "Voodoo"]}
        self.assertEqual(machine.in_words(told), "1 x TPU, 2 x Voodoo, 8 cores of Z80")


if __name__ == "__main__":
    absltest.main()
