"""README.md of what is exported: what a student is, what it takes, and how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.data.formats import rules
from kdcl_tf.files import moments
from kdcl_tf.serving import card_facts
from kdcl_tf.serving.formats import loading_lines
from kdcl_tf.serving.formats.names import FORMATS

__all__ = ["MARK", "of_folder", "of_saved_model"]

# The first line, by which a file that may be written anew is told from one of another hand.
MARK = "<!-- Written by kdcl-export; written anew when more is exported to this folder. -->"

_SHOWN = 8
# Formats that hold the student alone, without what comes before and after it.
_OF_KERAS = ("keras", "weights")
# What files end with whose answers may differ from their student's.
_ROUNDED = {form: each.ending for form, each in FORMATS.items() if each.least_agreement}
# Facts in which the cards of one student's files differ.
_OF_FILES = (*card_facts.WRITTEN, "measured", "calibrated_on", "file_format", "inputs", "outputs")
_RECIPE = (
    ("initial_weights", "initial weights {}"),
    ("teacher", "teacher {}"),
    ("epochs", "{} epochs"),
    ("train_head_epochs", "heads alone in the first {}"),
    ("freeze_batch_norm", "batch norm frozen"),
    ("batch_size", "batches of {}"),
    ("optimizer", "optimizer {}"),
    ("learning_rate", "learning rate {}"),
    ("schedule", "schedule {}"),
    ("class_weights", "class weights {}"),
    ("temperature", "temperature {}"),
    ("distillation_weight", "distillation weight {}"),
    ("weight_decay", "weight decay {}"),
    ("distortion", "distortion {}"),
    ("precision", "precision {}"),
)
_HERE = "These lines run in this folder; elsewhere, put its path in the place of the dot."
# Settings that say that something was not done, as the defaults do; SGD goes without saying.
_NOT_TOLD = ("", "none", "false", "0", "sgd")
_OF_DISTILLATION = ("temperature", "distillation_weight")
_INT8 = (
    "In int8 an image is integers from the first operation on. Only the last operations make "
    "floats, those that the integers of the outputs stand for, so that an app reads the same two "
    "arrays from every `.tflite` file."
)
_EXIF = (
    "A photograph has to be turned as its EXIF orientation says before it is scaled, which no "
    "operation of these models does."
)
_AS_STORED = (
    "A photograph is taken as it is stored, whatever its EXIF orientation says: the student was "
    "trained with `--noapply_exif_orientation`."
)
_GREY = (
    "Of 16 bits of grey the high 8 are taken, as in the Python lines below; what TIFF files may hold "
    "beside that (grey of 12 or 32 bits, of floating point, with signs, or in which 0 is white) has to "
    "be made 8 bits before."
)


def of_saved_model(facts: Mapping[str, Any]) -> str:
    """The README of one SavedModel, which lies in its folder, from the facts of its card."""
    lines = loading_lines.of("saved_model", ".", facts)
    return f"{_about(facts, ['saved_model'])}\n## Loading\n\n{_HERE}\n\n{lines}\n"


def of_folder(files: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    """The README of a folder of files.

    Args:
      files: `(name, format, facts of its card)` of each; those of one student together.
    """
    parts = [f"{MARK}\n"]
    for mine in _by_student(files):
        about = _about(_facts_of_all(mine), [form for _, form, _ in mine])
        parts += [about, _table(mine), *_loading(mine)]
    return "\n".join(parts)


def _by_student(files):
    """The files of each student; of the same name may be that of another run or epoch."""
    found = {}
    for each in files:
        facts = {name: fact for name, fact in each[2].items() if name not in _OF_FILES}
        found.setdefault(json.dumps(facts, sort_keys=True), []).append(each)
    return found.values()


def _facts_of_all(files):
    """The facts of a student, with what was measured of each of its files."""
    measured = {
        form: facts["measured"][form]
        for _, form, facts in files
        if form in facts.get("measured", {})
    }
    return {**files[0][2], "measured": measured}


def _table(files):
    """The files of one student, and what was measured of them."""
    lines = [
        "## Files\n",
        "| file | format | size | run on | top-1 | agreement | largest difference | ms an image |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, form, facts in files:
        found = facts.get("measured", {}).get(form)
        cells = [""] * 6
        if found:
            cells = [
                f"{found['bytes'] / 1e6:.2f} MB",
                f"{found['images']:,} {found.get('images_from', 'images')}",
                _top_1(found),
                f"{found['agreement']:.1%}",
                f"{found['largest_difference']:.2g}",
                f"{found['milliseconds']:.2f}",
            ]
        told = FORMATS[form].summary
        if "calibrated_on" in facts:
            told += f", calibrated on {facts['calibrated_on']}"
        lines.append(f"| {' | '.join([f'`{name}`', told, *cells])} |")
    lines.append(
        "\nEach file was loaded by its own runtime and run on so many images; the student may have "
        "been trained on images of a folder, and its top-1 of them then says nothing of others. "
        "A tie for the largest logit is a miss in top-1. Agreement and difference are those of "
        "classes, the first of the largest logits, and of logits with the student in float32; "
        "the time is that of one thread of the machine that exported it, the median."
    )
    if any(form == "litert_int8" for _, form, _ in files):
        lines.append(f"\n{_INT8}")
    return "\n".join(lines) + "\n"


def _top_1(found):
    """Top-1 of the images of a check, and of how many of them where not all have a class."""
    if "top_1" not in found:
        return ""
    count = found.get("labelled", found["images"])
    return f"{found['top_1']:.1%}" + (f" of {count:,}" if count < found["images"] else "")


def _loading(files):
    """A section for each runtime, of the first file that it loads."""
    told = {}
    for name, form, facts in files:
        told.setdefault(FORMATS[form].runtime, []).append((name, form, facts))
    for same in told.values():
        name, form, facts = same[0]
        others = ", ".join(f"`{each}`" for each, _, _ in same[1:])
        more = f" ({others} in the same way)" if others else ""
        yield f"## Loading `{name}`{more}\n\n{loading_lines.of(form, name, facts)}\n"


def _about(facts, forms):
    """What a student is, takes and gives, in files of some of `FORMATS`."""
    height, width, channels = facts["image_shape"]
    names = facts["class_names"]
    listed = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    rows = "".join(f"| {name} | {_cell(told)} |\n" for name, told in _rows(facts) if told)
    is_turned = rules.is_turned_in_training(facts)
    grey = f" {_GREY}" * (channels in card_facts.CHANNELS)
    kind = "RGB" if channels == 3 else f"{channels} channel{'s' * (channels != 1)}"
    return (
        f"# {facts['student']}\n\n"
        f"Classifies images of {height} x {width} pixels into {len(names)} classes: "
        f"{_cell(listed)}. Trained by kdcl_tf.\n\n"
        f"| | |\n|---|---|\n{rows}\n"
        "## Images\n\n"
        f"{_inputs(forms, f'[B, {height}, {width}, {channels}]', kind)} "
        f"{_resizing(facts)} {_EXIF if is_turned else _AS_STORED}{grey}\n\n"
        f"{_outputs(forms, f'`float32 [B, {len(names)}]`')}, in the order of the class names.\n"
    )


def _inputs(forms, shape, kind):
    """What models of some formats take; those of Keras are the student itself."""
    if _are_of_keras(forms):
        return (
            f"`float32 {shape}`, {kind}, normalised, which the lines below do from values 0 to 255."
        )
    others = "" if _are_of_runtimes(forms) else " (files for Keras do not)"
    single = " (B is 1 in a `.tflite` file)" * any(FORMATS[form].is_phone for form in forms)
    return (
        f"`uint8 {shape}`{single}, {kind}, values 0 to 255, not normalised, which the model does "
        f"itself{others}."
    )


def _outputs(forms, shape):
    if _are_of_keras(forms):
        return f"It gives logits, {shape}, whose softmax are the probabilities"
    others = "" if _are_of_runtimes(forms) else "; files for Keras give logits alone"
    return f"It gives `logits` and `probabilities`, {shape}{others}"


def _are_of_keras(forms):
    return all(form in _OF_KERAS for form in forms)


def _are_of_runtimes(forms):
    return not any(form in _OF_KERAS for form in forms)


def _resizing(facts):
    height, width, _ = facts["image_shape"]
    scaled = facts.get("scaled_to", [height, width])
    text = (
        f"An image of another size is scaled to {scaled[0]} x {scaled[1]} pixels, whatever its own "
        "shape (bilinear, antialiased)"
    )
    if list(scaled) == [height, width]:
        return f"{text}."
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    return (
        f"{text}, and cut to its central {height} x {width} (rows {top} to {top + height - 1}, "
        f"columns {left} to {left + width - 1})."
    )


def _rows(facts):
    """`(what, text or "")` of the table of a student."""
    identity = facts.get("identity", {})
    settings, data = identity.get("settings", {}), identity.get("data", {})
    counts = {split: _decoded(facts, data, split) for split in ("train", "test")}
    told = ", ".join(
        f"{counts[split]:,} {kind} images"
        for split, kind in (("train", "training"), ("test", "test"))
        if counts[split] is not None
    )
    if left_out := facts.get("left_out"):
        told += f"; {sum(left_out.values()):,} more could not be decoded"
    yield "data", ": ".join(filter(None, [facts.get("dataset", ""), told]))
    yield "network", facts.get("architecture") or _members(facts)
    yield "recipe", _recipe(settings)
    yield "seed", settings.get("seed", "")
    yield "epoch", ", ".join(filter(None, [moments.told(facts), facts.get("kept")]))
    yield "accuracy", _accuracy(facts, data)
    yield "parameters", f"{facts['parameters']:,}" if "parameters" in facts else ""
    yield "multiply-adds", _millions(facts.get("multiply_adds"))
    versions = identity.get("versions", {})
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())


def _decoded(facts, data, split):
    """How many images of a split could be decoded; None where it is not known."""
    images = data.get(split, {}).get("images")
    return images if images is None else images - facts.get("left_out", {}).get(split, 0)


def _members(facts):
    members = facts.get("members", {})
    return f"the mean of the probabilities of {', '.join(members)}" if members else ""


def _recipe(settings):
    if not settings:
        return ""
    method = settings.get("method", "")
    if method == "kdcl":
        method = f"kdcl, ensemble {settings.get('ensemble', '')}"
    told = [f"{method} of {settings.get('students', '').replace(',', ' + ')}"]
    unused = _OF_DISTILLATION if method == "independent" else ()
    told += [
        text.format(settings[name].replace(",", " and "))
        for name, text in _RECIPE
        if settings.get(name, "") not in _NOT_TOLD and name not in unused
    ]
    return ", ".join(told)


def _accuracy(facts, data):
    """Of the run's own evaluation where it is known, else of the images of the check.

    Of a file whose numbers are rounded only where no other was measured, and then that is said.
    """
    if "test_accuracy" in facts:
        count = _decoded(facts, data, "test")
        return f"{facts['test_accuracy']:.2%}" + (f" of {count:,} test images" if count else "")
    for form, found in sorted(
        facts.get("measured", {}).items(), key=lambda each: each[0] in _ROUNDED
    ):
        if "top_1" in found:
            count = found.get("labelled", found["images"])
            known = " whose class is known" if count < found["images"] else ""
            of_file = f", by the {_ROUNDED[form]} file" if form in _ROUNDED else ""
            return f"{found['top_1']:.1%} of the {count:,} images of the check{known}{of_file}"
    return "not measured: kdcl-evaluate does"


def _millions(count):
    return f"{count / 1e6:,.2f} million an image" if count is not None else ""


def _cell(text):
    """Names of any kind as plain text in a table of Markdown."""
    for character in "\\|<>*_`[]":
        text = text.replace(character, f"\\{character}")
    return text
