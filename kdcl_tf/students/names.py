"""The names of the students, read without TensorFlow or Keras.

So a program can refuse a misspelt name at once, without the seconds that an import of
TensorFlow takes.

`resnet50` and `resnet152` are networks for ImageNet, although 50 and 152 are
6n+2: there is no CIFAR ResNet of these two depths.
"""

import difflib
import functools
import importlib.util
import pathlib
import re
from typing import NamedTuple

_RESNET = re.compile(r"resnet(0|[1-9][0-9]*)")
_WIDE_RESNET = re.compile(r"wrn_(0|[1-9][0-9]*)_(0|[1-9][0-9]*)")
_MOBILENET_V2 = re.compile(r"mobilenet_v2(?:_((?:0|[1-9][0-9]{0,2})(?:\.[0-9]+)?))?")
_KERAS = re.compile(r"keras:([A-Za-z][A-Za-z0-9_]*)")

_IMAGENET_DEPTHS = (18, 34, 50, 101, 152)

# He et al.'s deepest network has 1202 layers, Zagoruyko and Komodakis's widest is 12 times as wide.
# A misspelt number far above them would be found only when memory is full.
_MOST_BLOCKS = 200
_GREATEST_WIDTH = 100


class StudentName(NamedTuple):
    """What a name says: `wrn_16_2` is `("wide_resnet", depth=16, width=2)`."""

    family: str  # of `families.FAMILIES`
    depth: int = 0  # 0 where the name has none
    width: float = 1  # multiplies the channels
    classifier: str = ""  # of keras.applications


def validate(name: str) -> None:
    """Returns nothing for the name of a student and raises ValueError for any other.

    Args:
        name: for images as large as ImageNet's, `resnet18`, `resnet34`, `resnet50`,
            `resnet101`, `resnet152`, `mobilenet_v2` or `mobilenet_v2_{width}`
            (`mobilenet_v2_0.5`), width a decimal number above 0, at most 100;
            for those of CIFAR, `resnet{6n+2}` (`resnet8`, `resnet32`) or
            `wrn_{6n+4}_{width}` (`wrn_16_2`), n from 1 to 200, width from 1 to 100; for either,
            `keras:{name}` with the name of a classifier of `keras.applications`
            (`keras:ResNet50V2`).
    """
    parse(name)


def is_name(text: str) -> bool:
    """Whether a text that may be a name or a path is the name of a student.

    It is, whatever lies in the current folder: `./resnet18` is the path.
    """
    try:
        validate(text)
    except ValueError:
        return False
    return True


def parse(name: str) -> StudentName:
    """Reads a name.

    Args:
        name: as in `validate`.

    Raises:
        ValueError: the name is of no family, or of a depth or width that its
            family cannot have. One line that names the nearest valid ones.
    """
    for pattern, read in (
        (_RESNET, _parse_resnet),
        (_WIDE_RESNET, _parse_wide_resnet),
        (_MOBILENET_V2, _parse_mobilenet_v2),
        (_KERAS, _parse_keras),
    ):
        if isinstance(name, str) and (match := pattern.fullmatch(name)):
            return read(name, *match.groups())
    raise ValueError(
        f"unknown student {name!r}: expected resnet<18, 34, 50, 101 or 152>, resnet<6n+2> "
        "(resnet32), wrn_<6n+4>_<width> (wrn_16_2), mobilenet_v2, mobilenet_v2_<width> "
        "(mobilenet_v2_0.5) or keras:<classifier> (keras:ResNet50V2)"
    )


def same(first: str, second: str) -> bool:
    """Whether two names are of one network: `mobilenet_v2_1.0` is `mobilenet_v2`, too.

    Texts that are no names of students are compared as they are.
    """
    try:
        return parse(first) == parse(second)
    except ValueError:
        return first == second


def model_name_of(name: str) -> str:
    """A student's name as Keras models and files can have it: without the colon of `keras:`."""
    return name.replace(":", "_")


def validate_branches(name: str) -> None:
    """Raises ValueError for a student that cannot be built as branches."""
    if parse(name).family == "keras":
        raise ValueError(
            f"student {name!r} cannot have branches, since nothing says where the stages of a "
            "classifier of keras.applications begin: expected another, such as resnet18"
        )


@functools.cache
def keras_classifiers() -> tuple[str, ...]:
    """Names of the classifiers of the installed `keras.applications`.

    They are read from the text of its `__init__.py`, since importing it takes seconds. Empty
    where that file is not found; a wrong name is then noticed when the student is built.
    """
    spec = importlib.util.find_spec("keras")
    if spec is None or not spec.origin:
        return ()
    path = pathlib.Path(spec.origin).parent / "applications" / "__init__.py"
    try:
        text = path.read_text()
    except OSError:
        return ()
    return tuple(sorted(re.findall(r"\bimport \(?\s*([A-Z]\w*)", text)))


def _parse_resnet(name: str, digits: str) -> StudentName:
    depth = int(digits)
    if depth in _IMAGENET_DEPTHS:
        return StudentName("resnet", depth)
    nearest = _nearest_depths(depth, remainder=2)
    if depth in nearest:
        return StudentName("cifar_resnet", depth)
    known = {*nearest, *_IMAGENET_DEPTHS}
    below = [known_depth for known_depth in known if known_depth < depth]
    above = [known_depth for known_depth in known if known_depth > depth]
    nearest = [*([max(below)] if below else []), *([min(above)] if above else [])]
    raise ValueError(
        f"unknown student {name!r}: depth must be 6n+2 (8, 14, 20, 32, ... 1202) for CIFAR or "
        f"18, 34, 50, 101 or 152 for ImageNet; {_suggest([f'resnet{d}' for d in nearest])}"
    )


def _parse_wide_resnet(name: str, depth_digits: str, width_digits: str) -> StudentName:
    depth, width = int(depth_digits), int(width_digits)
    nearest = _nearest_depths(depth, remainder=4)
    if depth not in nearest:
        raise ValueError(
            f"unknown student {name!r}: depth must be 6n+4 (10, 16, 22, ... 1204); "
            + _suggest([f"wrn_{d}_{max(width, 1)}" for d in nearest])
        )
    if not 1 <= width <= _GREATEST_WIDTH:
        near = f"wrn_{depth}_{1 if width < 1 else _GREATEST_WIDTH}"
        raise ValueError(
            f"unknown student {name!r}: width must be 1 to {_GREATEST_WIDTH} (1, 2, 4, 10); "
            + _suggest([near])
        )
    return StudentName("wide_resnet", depth, width)


def _parse_mobilenet_v2(name: str, width_text: str | None) -> StudentName:
    width = 1.0 if width_text is None else float(width_text)
    if not 0 < width <= _GREATEST_WIDTH:
        raise ValueError(
            f"unknown student {name!r}: width must be more than 0, at most {_GREATEST_WIDTH} "
            "(0.5, 0.75, 1.2); " + _suggest(["mobilenet_v2_0.35" if width <= 0 else "mobilenet_v2"])
        )
    return StudentName("mobilenet_v2", width=width)


def _parse_keras(name: str, classifier: str) -> StudentName:
    known = {each.lower(): each for each in keras_classifiers()}
    if known and classifier not in known.values():
        nearest = difflib.get_close_matches(classifier.lower(), known, n=2, cutoff=0.0)
        raise ValueError(
            f"unknown student {name!r}: expected a classifier of keras.applications; "
            + _suggest([f"keras:{known[each]}" for each in nearest])
        )
    return StudentName("keras", classifier=classifier)


def _nearest_depths(depth: int, remainder: int) -> list[int]:
    """The depth itself when it is 6n + remainder with n of 1 to 200, else its neighbours."""
    below = (depth - remainder) // 6 * 6 + remainder
    if below < 6 + remainder:
        return [6 + remainder]
    deepest = 6 * _MOST_BLOCKS + remainder
    if depth > deepest:
        return [deepest]
    return [depth] if below == depth else [below, below + 6]


def _suggest(names: list[str]) -> str:
    return f"the nearest {'is' if len(names) == 1 else 'are'} {' and '.join(names)}"
