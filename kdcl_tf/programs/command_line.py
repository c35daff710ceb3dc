"""The command line of every program: parses flags, and reports an error in one line."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from kdcl_tf.programs import failures, flagfiles, streams
from kdcl_tf.programs.failures import fail

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
      main: a function of the parsed `FlagValues`.
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

    app.run(guarded, flags_parser=lambda argv: parse(flags.FLAGS, argv))


def _make_key_flags():
    """Lets `--help` list all our flags, whichever of our modules has defined them."""
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("kdcl_tf") or module == sys.argv[0]:
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def parse(flag_values: flags.FlagValues, argv: Sequence[str]) -> list[str]:
    """Parses a command line; an argument that is no flag ends the program with one line.

    Args:
      flag_values: `FlagValues`, in which the program's flags are defined.
      argv: the program's name, and its arguments.

    Returns:
      `argv` without the flags.
    """
    try:
        flagfiles.check(argv[1:])
        rest = flag_values(argv)
    except (flags.Error, ValueError, OSError) as error:
        fail(str(error))
    except SystemExit:
        # Only absl's help flags exit here, and with a status that means failure.
        sys.exit(0)
    if len(rest) > 1:
        fail(f"expected flags, --name=value; got {' '.join(rest[1:])!r}")
    return rest


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turns an error about bad input into one line and exit status 1.

    It belongs around set-up only: the same exceptions inside training are defects, and keep
    their traceback.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        fail(str(error))


def file_to_write(flag: str, value: str | None) -> pathlib.Path | None:
    """Returns the path of a file that a flag names, or None if it names none.

    Raises:
      ValueError: when it is a folder, or in one that is not there, before any work is done.
    """
    if not value:
        return None
    path = pathlib.Path(value).expanduser()
    if not path.parent.is_dir():
        raise ValueError(f"expected --{flag} to be in a folder that exists; got {value}: make {path.parent}")
    if path.is_dir():
        raise ValueError(f"expected --{flag} to name a file; got the folder {value}")
    return path


def import_tensorflow(decodes: bool = False) -> None:
    """Imports TensorFlow without the notices its C++ prints before logging can be set.

    They would bury the one line that matters.  They are shown if the import fails.

    Args:
      decodes: whether images are decoded while the program runs: decoders print a notice of a
        damaged image, which our own line reports.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if decodes else "2")
    with user_errors():
        _check_keras()
    with without_notices():
        import tensorflow

        # Finding the devices prints, too.
        tensorflow.config.list_physical_devices()


def _check_keras():
    """Refuses a configuration of Keras that kdcl_tf cannot compute with.

    Raises:
      ValueError: naming the variable or file that it comes from.
    """
    home = pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")
    path = home / "keras.json"
    config = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        config = dict(json.loads(path.read_text(encoding="utf-8")))
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


def quiet_reading(dataset: str | None) -> contextlib.AbstractContextManager:
    """`without_notices` for a folder of images, whose decoders print a notice of a damaged one.

    Other data sets may be downloaded, and then show their progress.
    """
    is_folder = (dataset or "").startswith("folder:")
    return without_notices() if is_folder else contextlib.nullcontext()


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Holds back what C++ libraries print, and prints it only if the block ends in a defect."""
    with tempfile.TemporaryFile() as notices:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except (ValueError, OSError):
            raise
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
