"""Makes the paper's analyses of the proof's models: noise, categories, over-fitting, deviation.

    python tools/analyse.py --data_dir=DIR

Each is a run of `kdcl-evaluate` on the students of complete runs, which must be where
`tools/prove.py` has made them.  Those whose runs are not complete yet wait, and those that are done
stay.
"""

from __future__ import annotations

import functools
import os
import pathlib

from absl import flags

from kdcl_tf.programs import command_line
from kdcl_tf.reproduction import analyses, proof

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines where the runs and the images are."""
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", flag_values)
    flags.DEFINE_string(
        "folder", "runs", "The folder that has a folder of runs for each table.", flag_values
    )


def main(flag_values: flags.FlagValues) -> None:
    """Makes the analyses that can be made."""
    data_dir = flag_values["data_dir"].value
    data_dir = data_dir and os.path.abspath(os.path.expanduser(data_dir))
    folder = pathlib.Path(flag_values["folder"].value).expanduser().absolute()
    os.chdir(_ROOT)
    if folder.is_relative_to(_ROOT):
        # So that no file has a path of this machine.
        folder = folder.relative_to(_ROOT)
    with command_line.user_errors():
        runs = proof.runs(proof.PARTS, folder)
        more = [f"--data_dir={data_dir}"] if data_dir else []
        say = functools.partial(print, flush=True)
        try:
            analyses.analyse(analyses.ANALYSES, runs, folder, more, say)
        except analyses.AnalysisFailed as failure:
            command_line.fail(str(failure))


if __name__ == "__main__":
    command_line.run(define_flags, main)
