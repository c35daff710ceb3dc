"""The command line of every program: parses flags, and reports an error in one line."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging

from kdcl_tf.files import escaping, flagfiles, streams
from kdcl_tf.programs import failures, help as help_lib
from kdcl_tf.programs.failures import fail

_WORDS = {
    r"invalid literal for int\(\) with base 10: .*": "expected an integer",
    r"could not convert string to float: .*": "expected a number",
}
_KERAS = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last"}


def run(
    define_flags: Callable[[flags.FlagValues], None], main: Callable[[flags.FlagValues], None]
) -> None:
    """Runs a program: defines its flags, parses them, calls `main(flag_values)`.

    Flags are defined here and not on import, so that two programs can be imported into one
    process.  Whatever ends the program early is told in one line, see `failures`; a closed pipe
    ends nothing.  A bad flag is answered with one line and exit status 1, `--help`, `--helpshort`
    and `--helpfull` with text on stdout and exit status 0.

    Args:
      define_flags: a function of a `FlagValues`.
      main: a function of the parsed `FlagValues`, in a module whose docstring `--help` shows.
    """
    streams.keep_open()
    define_flags(flags.FLAGS)
    _make_key_flags()
    # TensorFlow logs every file it writes, and TFDS every one it does not find; --verbosity=0
    # brings that back.
    logging.set_verbosity(logging.ERROR)

    def guarded(_):
        with failures.in_one_line(), failures.stopped_by_signals():
            main(flags.FLAGS)
            lost = streams.lost_output()
            if lost:
                raise lost

    about = sys.modules[main.__module__].__doc__ or ""
    app.run(guarded, flags_parser=lambda argv: parse(flags.FLAGS, argv, about))


def _make_key_flags():
    """Lets `--helpxml` tell all our flags as the program's own, whichever module defines them."""
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("kdcl_tf") or module == sys.argv[0]:
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def values_of(
    define_flags: Callable[[flags.FlagValues], None], flag_values: flags.FlagValues
) -> dict[str, Any]:
    """`{flag: value}` of the flags that a program defines, without those of libraries."""
    mine = flags.FlagValues()
    define_flags(mine)
    return {name: flag_values[name].value for name in mine if name in flag_values}


def parse(flag_values: flags.FlagValues, argv: Sequence[str], about: str = "") -> list[str]:
    """Parses a command line; an argument that is no flag ends the program with one line.

    Args:
      flag_values: `FlagValues`, in which the program's flags are defined.
      argv: the program's name, and its arguments.
      about: what the program does, for its help.

    Returns:
      `argv` without the flags.
    """
    if help_lib.is_asked_for(argv):
        program = os.path.basename(argv[0]).removesuffix(".py").removeprefix("kdcl-")
        print(help_lib.text(program, about, flag_values))
        _end_of_help()
    try:
        rest = flag_values([argv[0], *flagfiles.expanded(argv[1:])])
    except (flags.Error, ValueError, OSError) as error:
        fail(f"{_in_words(error)}{_where(error, argv[1:])}")
    except SystemExit:
        # Only absl's help flags exit here, and with a status that means failure.
        _end_of_help()
    _check_texts(flag_values)
    if len(rest) > 1:
        fail(f"expected flags, --name=value; got {' '.join(rest[1:])!r}")
    return rest


def _end_of_help():
    """Ends the program; with one line where the help could not be written."""
    lost = streams.lost_output()
    if lost:
        fail(failures.foreseen(lost) or str(lost))
    sys.exit(0)


def _in_words(error: Exception) -> str:
    """What is wrong with a flag, where Python's words for it are those of its functions."""
    text = str(error)
    for words, meant in _WORDS.items():
        text = re.sub(words, meant, text)
    return text


def _where(error: Exception, arguments: Sequence[str]) -> str:
    """The flagfile that an unknown flag is in, and the program that it is for; "" for none."""
    if not isinstance(error, flags.UnrecognizedFlagError):
        return ""
    named = flagfiles.that_has(error.flagname, arguments)
    return f"; it is in flagfile {named}{flagfiles.program_of(named)}" if named else ""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turns an error about bad input into one line and exit status 1.

    It belongs around set-up only: the same exceptions inside training are defects, and keep
    their traceback.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        fail(failures.foreseen(error) or str(error))


def _check_texts(flag_values):
    """Refuses texts that no flagfile, log or TensorFlow call could hold."""
    for name in flag_values:
        value = flag_values[name].value
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not escaping.is_plain(text):
                shown = escaping.escaped(text)
                fail(f"expected --{name} to be UTF-8 text without line breaks; got '{shown}'")


def import_tensorflow(decodes: bool = False) -> None:
    """Imports TensorFlow without the notices its C++ prints before logging can be set.

    They would bury the one line that matters.  They are shown if the import fails.

    Args:
      decodes: whether images are decoded while the program runs: decoders print a notice of a
        damaged image, which our own line reports.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if decodes else "2")
    # Figures are drawn without a screen, whatever backend the environment names.
    os.environ["MPLBACKEND"] = "Agg"
    with user_errors():
        _check_keras()
    with streams.without_notices():
        import tensorflow

        # Finding the devices prints, too.
        tensorflow.config.list_physical_devices()


def _check_keras():
    """Refuses a configuration of Keras that kdcl_tf cannot compute with.

    Raises:
      ValueError: naming the variable or file that it comes from.
    """
    # As Keras has it, for a user without a home, too, whom `pathlib` refuses.
    home = pathlib.Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))
    path = home / "keras.json"
    config = {}
    with contextlib.suppress(OSError):
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not JSON ({error}): mend or remove it") from error
    if not isinstance(config, dict) or not isinstance(config.get("epsilon", 1e-7), float):
        raise ValueError(f"{path} is not a configuration of Keras: mend or remove it")
    places = dict.fromkeys(_KERAS, str(path))
    if os.environ.get("KERAS_BACKEND"):
        config["backend"] = os.environ["KERAS_BACKEND"]
        places["backend"] = "the environment's KERAS_BACKEND"
    for name, expected in _KERAS.items():
        found = config.get(name, expected)
        if found != expected:
            raise ValueError(
                f"expected Keras's {name} to be {expected}; got {found} from {places[name]}"
            )
