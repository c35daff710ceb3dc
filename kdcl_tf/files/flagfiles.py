"""Flagfiles: files of flags, which stand in for their `--flagfile` on a command line.

They are read here and not by absl, which takes any bytes for text, and looks for every flagfile in
the current folder.  A flagfile that another one names is looked for beside that one, and
`kdcl:FOLDER/NAME` is one that comes with kdcl_tf, wherever that is installed.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import codecs
import difflib
import functools
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence

from kdcl_tf.files.escaping import escaped

__all__ = ["SCHEME", "expanded", "folder", "names", "program_of", "that_has"]

# What a name of a flagfile of ours begins with.
SCHEME = "kdcl:"
_SUFFIX = ".flags"

# So many files may be included, and so deep.
_MOST, _DEEPEST = 200, 20

_MARKS = {
    codecs.BOM_UTF8: "starts with a byte order mark",
    codecs.BOM_UTF16_LE: "is UTF-16",
    codecs.BOM_UTF16_BE: "is UTF-16",
}


def expanded(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command line, with the flags of each flagfile in its place.

    Comments, which begin with `#` or `//`, and empty lines are left out.

    Args:
      arguments: without the program's name.

    Raises:
      ValueError: for a flagfile that is no UTF-8 text, is no file or includes itself, for a
        `kdcl:` name that is unknown, and for too many flagfiles.
      OSError: for one that cannot be read.
    """
    return list(_expanded(arguments, _named_by_user, _Reading()))


def folder() -> pathlib.Path:
    """The folder of the flagfiles that come with kdcl_tf: `flags/` in the wheel or in a clone."""
    package = pathlib.Path(__file__).resolve().parents[1]
    inside = package / "flags"
    return inside if inside.is_dir() else package.parent / "flags"


@functools.cache
def names() -> tuple[str, ...]:
    """Names of the flagfiles that come with kdcl_tf, such as `kdcl:cifar100/general_icl`."""
    paths = (path.relative_to(folder()) for path in folder().rglob(f"*{_SUFFIX}"))
    return tuple(sorted(f"{SCHEME}{path.with_suffix('').as_posix()}" for path in paths))


def that_has(flag: str, arguments: Sequence[str]) -> str:
    """The flagfile on a command line that has a flag, itself or in one that it names; "" for none.

    Args:
      flag: its name, without dashes.
      arguments: as `expanded` takes them.
    """
    following = iter(arguments)
    for argument in following:
        name, equals, value = argument.strip().partition("=")
        if name not in ("--flagfile", "-flagfile"):
            continue
        named = value.strip() if equals else next(following, "").strip()
        inside = (each.lstrip("-").partition("=")[0] for each in expanded([f"--flagfile={named}"]))
        if flag in inside:
            return named
    return ""


def program_of(named: str) -> str:
    """`, which is for kdcl-detect`, of a flagfile that comes with kdcl_tf; "" of others."""
    if not named.startswith(SCHEME):
        return ""
    is_detector = named.startswith(f"{SCHEME}coco/")
    return f", which is for {'kdcl-detect' if is_detector else 'kdcl-train'}"


class _Reading:
    """What has been read so far: how many files, and which one is inside which."""

    def __init__(self):
        self.count = 0
        self.including: tuple[pathlib.Path, ...] = ()


def _expanded(
    arguments: Sequence[str], place: Callable[[str], pathlib.Path], reading: _Reading
) -> Iterator[str]:
    """Arguments, with flags in the place of flagfiles, whose paths `place` finds."""
    following = iter(arguments)
    for argument in following:
        if argument == "--":
            yield argument
            break
        name, equals, value = argument.strip().partition("=")
        if name in ("--flagfile", "-flagfile"):
            named = value.strip() if equals else next(following, "").strip()
            yield from _flags_of(named, place, reading)
        else:
            yield argument
    yield from following


def _flags_of(named, place, reading):
    """The flags in a flagfile, and in those that it names."""
    if not named:
        raise ValueError("expected --flagfile=FILE; got no file")
    reading.count += 1
    if reading.count > _MOST or len(reading.including) > _DEEPEST:
        raise ValueError(
            f"expected flagfiles that include at most {_MOST} others, {_DEEPEST} deep; got more, "
            f"the last {escaped(named)}: put their flags into one"
        )
    path = _of_ours(named) if named.startswith(SCHEME) else place(named)
    text = _text(path, escaped(named))
    here = path.resolve()
    if here in reading.including:
        raise ValueError(
            f"flagfile {escaped(named)} includes itself: remove that --flagfile from it"
        )
    outside = reading.including
    reading.including = (*outside, here)
    yield from _expanded(_lines(text), functools.partial(_beside, path), reading)
    reading.including = outside


def _lines(text):
    # `splitlines` would also break a line within a value.
    lines = (line.strip() for line in re.split(r"\r\n|\r|\n", text))
    return [line for line in lines if line and not line.startswith(("#", "//"))]


def _named_by_user(named):
    """The path of a flagfile that the command line names, from the current folder."""
    try:
        return pathlib.Path(named).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"flagfile {escaped(named)} is in the home of an unknown user: write it out"
        ) from error


def _beside(including, named):
    """The path of a flagfile that the flagfile `including` names."""
    path = including.parent / _named_by_user(named)
    if not path.exists():
        raise ValueError(
            f"expected flagfile {escaped(named)}, which {escaped(str(including))} names, to be "
            f"{escaped(str(path))}; got nothing there: name a flagfile from the folder of the one that "
            "names it"
        )
    return path


def _of_ours(named):
    """The path of a flagfile that comes with kdcl_tf.

    Raises:
      ValueError: naming those of similar names.
    """
    name = named.removesuffix(_SUFFIX)
    if name in names():
        return folder() / f"{name.removeprefix(SCHEME)}{_SUFFIX}"
    raise ValueError(
        f"expected a flagfile of kdcl_tf, such as {SCHEME}cifar100/general_icl; got {escaped(named)}: "
        + _near(name)
    )


def _why_missing(named):
    """That a flagfile is not there, and the one of ours that may have been meant."""
    name = f"{SCHEME}{named.removesuffix(_SUFFIX).removeprefix('flags/')}"
    return f", which is not there{f': did you mean {name}?' * (name in names())}"


def _near(name):
    """What may have been meant by a name that is unknown."""
    inside = [each for each in names() if each.startswith(f"{name.rstrip('/')}/")]
    if inside:
        return f"name one of {', '.join(inside)}"
    likeness = {each: _likeness(name, each) for each in names()}
    near = sorted(names(), key=lambda each: -likeness[each])[:3]
    near = [each for each in near if likeness[each] > 0.7]
    if near:
        return f"did you mean {' or '.join(near)}?"
    folders = sorted({each.rpartition("/")[0] for each in names()})
    return f"there are flagfiles in {', '.join(f'{each}/' for each in folders)}"


def _likeness(name, known):
    """How alike two names are, 0..1 without their folders, and a little more in one folder."""
    (own, _, stem), (other, _, known_stem) = (
        each.removeprefix(SCHEME).rpartition("/") for each in (name, known)
    )
    return difflib.SequenceMatcher(None, stem, known_stem).ratio() + 0.01 * (own == other)


def _text(path, named):
    if not path.exists():
        raise FileNotFoundError(
            f"expected --flagfile to be a file; got {named}{_why_missing(named)}"
        )
    if not path.is_file():
        raise ValueError(
            f"expected --flagfile to be a regular file; got {named}: save its flags in one"
        )
    content = path.read_bytes()
    for mark, told in _MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"flagfile {named} {told}: save it as UTF-8 without a mark")
    if b"\0" in content:
        raise ValueError(f"flagfile {named} is no text: expected UTF-8, a flag on each line")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"flagfile {named} is not UTF-8 (byte {error.start} is {content[error.start]:#04x}): "
            "save it as UTF-8"
        ) from error
