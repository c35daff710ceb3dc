"""The heading under which `--help` of a program lists each of its flags.

A new flag gets its name into one of the groups; a test names those that have none.
"""

from __future__ import annotations

__all__ = ["GROUPS", "OF_PROGRAMS", "group"]

# In the order of the help.
GROUPS = {
    "Table": "table scale rows shard report_only folder",
    "Data": """
        image dataset data_dir split images test_share validation_share train_per_class
        holdout_per_class
        class_weights image_size distortion cutout cutout_size storage skip_bad_images
        apply_exif_orientation max_image_megabytes max_image_megapixels tfrecord_image_key
        tfrecord_label_key test_images calibration calibration_images
        evaluate_on train_images train_annotations validation_images validation_annotations
        first_images short_side long_side flip
        """,
    "Students": """
        students model student initial_weights initial_normalization train_head_epochs
        freeze_batch_norm backbone architecture backbone_normalization feature_layers
        """,
    "Method": """
        mode method ensemble temperature distillation_weight distillation_weight_schedule
        invariant general_error general_constraint teacher match_classes branches ramp_up_epochs
        compare seeds runs_at_once detector regions_per_image
        """,
    "Analysis": "analysis mistakes noise_step noise_max noise_draws",
    "Recipe": """
        epochs batch_size optimizer optimizer_arguments learning_rate schedule milestones
        warmup_epochs warmup_steps warmup_learning_rate momentum weight_decay clip_norm seed
        keep keep_by
        """,
    "Machine": """
        strategy placement precision jit_compile accumulation_steps synchronized_batch_norm
        steps_per_loop logical_devices tpu
        """,
    "Output": """
        workdir format output plot top least_score evaluate_every checkpoint_seconds
        keep_checkpoints
        """,
}

# Each program, and the flags that mean something else in it.
OF_PROGRAMS = {
    "train": {},
    "evaluate": {
        "workdir": "Students",
        "match_classes": "Students",
        "seed": "Analysis",
        "batch_size": "Machine",
    },
    "predict": {"batch_size": "Machine"},
    "export": {"workdir": "Students"},
    "detect": {},
    "reproduce": {"seeds": "Table"},
}


def group(program: str, flag: str) -> str | None:
    """The heading of a flag; None for one that has none, and for other programs.

    Args:
      program: such as "train".
      flag: its name.
    """
    if program not in OF_PROGRAMS:
        return None
    own = OF_PROGRAMS[program].get(flag)
    return own or next((head for head, names in GROUPS.items() if flag in names.split()), None)
