"""Makes the paper's analyses of the proof's models: noise, categories, over-fitting, deviation.

    python tools/analyse.py --data_dir=DIR

Each is a run of `kdcl-evaluate` on the students of complete runs, which must be where
`tools/prove.py` has made them.  Those whose runs are not complete yet wait, and those that are done
stay.
"""

from __future__ import annotations

import functools

from absl import flags
from prove import define_places, enter_project

from kdcl_tf.programs import command_line
from kdcl_tf.reproduction import analyses, proof


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines where the runs and the images are."""
    define_places(flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Makes the analyses that can be made."""
    with command_line.user_errors():
        folder, arguments = enter_project(flag_values)
        runs = proof.runs(proof.PARTS, folder)
        say = functools.partial(print, flush=True)
        try:
            analyses.analyse(analyses.ANALYSES, runs, folder, arguments, say)
        except analyses.AnalysisFailed as failure:
            command_line.fail(str(failure))


if __name__ == "__main__":
    command_line.run(define_flags, main)
