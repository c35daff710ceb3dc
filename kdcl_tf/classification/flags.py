"""The flags of a run: one for each field of `Settings`, and where it reads and writes.

They are read into `Settings` here and nowhere else.
"""

from absl import flags

from kdcl_tf import data
from kdcl_tf.classification import settings as settings_lib
from kdcl_tf.objectives.names import ENSEMBLES
from kdcl_tf.serving import classes
from kdcl_tf.training import flags as training_flags

_DEFAULTS = settings_lib.Settings()


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines a flag for each field of `Settings`, and where the run reads and writes."""
    _define_method_flags(flag_values)
    _define_baseline_flags(flag_values)
    _define_general_flags(flag_values)
    _define_data_flags(flag_values)
    _define_view_flags(flag_values)
    _define_share_flags(flag_values)
    _define_step_flags(flag_values)
    _define_initial_flags(flag_values)
    training_flags.define_image_flags(flag_values, _DEFAULTS)
    training_flags.define_optimisation_flags(
        flag_values, _DEFAULTS, "at 1/2 and 3/4 of --epochs", rate_by="STUDENT"
    )
    training_flags.define_machine_flags(flag_values, _DEFAULTS)


def _define_method_flags(fv):
    flags.DEFINE_enum(
        "method",
        _DEFAULTS.method,
        settings_lib.METHODS,
        "What students learn from besides the labels. kdcl: one soft target, which --ensemble makes "
        "of the answers of all students. independent: nothing; each student as if it were alone. "
        "mutual_learning: each other's answers. offline_distillation: a trained --teacher. one: a "
        "gated average of the branches of one network. clnn: the average of the other heads of one "
        "network.",
        fv,
    )
    flags.DEFINE_list(
        "students",
        list(_DEFAULTS.students),
        "The architecture of each student, such as resnet32,wrn_16_2 for small images, or "
        "resnet50,mobilenet_v2_0.5,keras:ResNet50V2 for images of 32 pixels or more.",
        fv,
    )
    flags.DEFINE_enum(
        "ensemble",
        None,
        ENSEMBLES,
        "For --method=kdcl: how the soft target of an image is made; by default general for digits, "
        "min_logit otherwise. naive: the logits of the student with the lowest loss. linear: the "
        "mixture of all students' logits with the lowest loss. min_logit: of each class the lowest "
        "logit of any student, after each student's logit of the true class is made 0. general: an "
        "average of all students' probabilities, whose weights are fitted to held-out images after "
        "every epoch.",
        fv,
    )
    flags.DEFINE_float(
        "temperature",
        None,
        "Temperature T of the distillation loss; by default 3 for --method=one, 1 for mutual_learning, 2 "
        "for the others. independent has no such loss.",
        flag_values=fv,
    )
    flags.DEFINE_float(
        "distillation_weight",
        _DEFAULTS.distillation_weight,
        "Lambda, the weight of the distillation loss.",
        flag_values=fv,
    )
    flags.DEFINE_string(
        "distillation_weight_schedule",
        "",
        "Factors of --distillation_weight as EPOCH:FACTOR,EPOCH:FACTOR,..., epochs counted from 0: "
        "straight lines between them, and the first and the last factor before and after them. "
        "0:0,20:1 lets the weight rise over the first 20 epochs. By default it is constant.",
        fv,
    )
    flags.DEFINE_bool(
        "invariant",
        None,
        "Invariant collaborative learning (ICL): every student sees its own random distortion of an "
        "image; by default yes, except for branches, which share their view.",
        fv,
    )


def _define_baseline_flags(fv):
    flags.DEFINE_string(
        "teacher",
        "",
        "For --method=offline_distillation: an exported student, WORKDIR/students/NAME; a complete "
        "run of one student; or another source that --initial_weights knows, as ARCHITECTURE=SOURCE if "
        "it does not say its architecture, such as resnet50=FILE.safetensors. The teacher's images are "
        "normalised as its card says. A .safetensors file is taken to be torchvision's for ImageNet; a "
        ".keras or .weights.h5 file without a card gets images normalised as the first student's.",
        fv,
    )
    flags.DEFINE_enum(
        "match_classes",
        _DEFAULTS.match_classes,
        classes.MATCHES,
        "How the teacher's classes are matched with the data set's. name: a class is the same under "
        "the same name. position: a class is the same in the same place, for class names that are "
        "only numbers or are spelt differently.",
        fv,
    )
    flags.DEFINE_integer(
        "branches",
        None,
        "For --method=one and clnn: how many branches the network has; by default 3 for one, 4 "
        "for clnn.",
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "ramp_up_epochs",
        None,
        "For --method=one: epochs over which the weight of the distillation loss rises; by default "
        "80/300 of --epochs.",
        flag_values=fv,
    )


def _define_general_flags(fv):
    flags.DEFINE_enum(
        "general_error",
        _DEFAULTS.general_error,
        settings_lib.GENERAL_ERRORS,
        "For --ensemble=general: what is measured on held-out images. vector: the probabilities of "
        "all classes against the one-hot label. target: that of the true class against 1, Eq. 8 as "
        "printed, with which one student tends to get all the weight.",
        fv,
    )
    flags.DEFINE_enum(
        "general_constraint",
        _DEFAULTS.general_constraint,
        settings_lib.GENERAL_CONSTRAINTS,
        "For --ensemble=general: which weights students may have. simplex: from 0 to 1, as the "
        "paper asks. none: any, also negative ones, Eq. 11 as printed. equal: the same for all, "
        "whatever the held-out images say.",
        fv,
    )


def _define_data_flags(fv):
    flags.DEFINE_string(
        "dataset",
        _DEFAULTS.dataset,
        "digits, folder:PATH, tfrecord:PATH, or a TFDS name such as cifar100.",
        fv,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", fv)
    flags.DEFINE_enum(
        "storage",
        _DEFAULTS.storage,
        data.STORAGES,
        "Where images are kept while the run trains; a run may continue with another storage. auto: "
        "in memory up to 16 GB of images, whatever memory the machine has, else on disk. memory: in "
        "memory; the run then takes about three times the size of its images. disk: in their files, "
        "from which each is read when it is needed.",
        fv,
    )
    for what in ("image", "label"):
        flags.DEFINE_string(
            f"tfrecord_{what}_key",
            "",
            f"For --dataset=tfrecord:PATH: name of the feature that is the {what}; by default as "
            "TensorFlow's scripts for ImageNet or TFDS name it.",
            fv,
        )
    flags.DEFINE_bool(
        "skip_bad_images",
        _DEFAULTS.skip_bad_images,
        "Leave out images that cannot be decoded, count them and list them in bad_images.txt, "
        "instead of stopping at the first.",
        fv,
    )
    flags.DEFINE_integer(
        "holdout_per_class",
        None,
        "Training images per class that are held out to fit General's weights; by default 5 of "
        "digits, and none of other data sets.",
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "train_per_class",
        None,
        "Images per class to train on, 0 for all that are not held out; by default 10 of digits, "
        "and all of other data sets.",
        flag_values=fv,
    )


def _define_view_flags(fv):
    flags.DEFINE_integer(
        "image_size",
        _DEFAULTS.image_size,
        "Height and width of every image, in pixels. 0 chooses: 32 for digits; the size that TFDS "
        "gives, if all images of a set have one; for other images their median shorter side if that "
        "is at most 96, else 224 if a student is a network for ImageNet, else 32.",
        flag_values=fv,
    )
    flags.DEFINE_enum(
        "distortion",
        _DEFAULTS.distortion,
        list(data.DISTORTIONS),
        "How images are changed at random (data augmentation), anew in every epoch. "
        + "; ".join(f"{name}: {entry.summary}" for name, entry in data.DISTORTIONS.items())
        + ".",
        fv,
    )
    flags.DEFINE_bool("cutout", _DEFAULTS.cutout, "Also cut a square out of each view.", fv)
    flags.DEFINE_integer(
        "cutout_size",
        _DEFAULTS.cutout_size,
        "Side of the square that --cutout cuts out, in pixels.",
        flag_values=fv,
    )


def _define_share_flags(fv):
    flags.DEFINE_float(
        "test_share",
        _DEFAULTS.test_share,
        "For --dataset=folder:PATH without a test set, with the folders of the classes in PATH or in "
        "PATH/train: the share of each class that becomes the test set, such as 0.2. Every file is "
        "read once at the start: duplicates of a file stay on one side, and every method and seed has "
        "the same split.",
        flag_values=fv,
    )
    flags.DEFINE_float(
        "validation_share",
        _DEFAULTS.validation_share,
        "The share of the training images of each class that is set aside as a validation "
        "set, such as 0.1; by default a folder's val/ beside its test/, or none.",
        flag_values=fv,
    )
    flags.DEFINE_enum(
        "class_weights",
        _DEFAULTS.class_weights,
        settings_lib.CLASS_WEIGHTS,
        "How much an image counts in training. none: as much as any other, so that a large class "
        "counts more than a small one. balanced: every class counts equally, however many images it "
        "has; both losses of an image are multiplied by N / (C n), for N training images, C classes "
        "and n images of its class.",
        fv,
    )
    flags.DEFINE_enum(
        "keep",
        _DEFAULTS.keep,
        settings_lib.KEEPS,
        "Which epoch is exported and reported. last: the last one. best: the one whose accuracy on "
        "the validation set is the highest of those evaluated, the earliest of equals.",
        fv,
    )
    flags.DEFINE_string(
        "keep_by",
        _DEFAULTS.keep_by,
        "For --keep=best: the student whose accuracy on the validation set chooses the epoch, for "
        "all students; not needed if there is only one.",
        fv,
    )


def _define_step_flags(fv):
    flags.DEFINE_bool(
        "jit_compile",
        _DEFAULTS.jit_compile,
        "Let XLA compile what each device computes for itself, the students' forward and backward "
        "passes. It changes sums by rounding, is for accelerators, and is slower on CPUs.",
        fv,
    )
    flags.DEFINE_integer(
        "accumulation_steps",
        _DEFAULTS.accumulation_steps,
        "Divides the images of each step into this number of parts, which run one after the other to "
        "need less memory; the step is the same, except that batch norm's statistics are those of a "
        "part.",
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "warmup_epochs",
        _DEFAULTS.warmup_epochs,
        "Epochs over which the learning rate rises.",
        flag_values=fv,
    )
    flags.DEFINE_enum(
        "placement",
        "data",
        settings_lib.PLACEMENTS,
        "What is divided between devices; a run may continue with the other. data: every device has "
        "all students and a part of the images. student: every device has students of its own and "
        "all images; it needs --strategy=one, which then uses all devices, two or more, and goes "
        "neither with branches nor with --jit_compile or --precision=float16.",
        fv,
    )
    flags.DEFINE_string(
        "tpu",
        "local",
        "For --strategy=tpu: the name of the TPU; use local on the TPU's own machine.",
        fv,
    )


def _define_initial_flags(fv):
    flags.DEFINE_list(
        "initial_weights",
        [],
        "Weights that students start from, STUDENT=SOURCE,... A source is a run or an exported "
        "student; a .keras or .weights.h5 file; a .safetensors file of torchvision's ResNet or "
        "MobileNetV2; or imagenet, for students of keras:. A student that starts from weights "
        "gets images normalised as those that the weights were trained on.",
        fv,
    )
    flags.DEFINE_list(
        "initial_normalization",
        [],
        "STUDENT=NORMALIZATION,... for weights that do not say how their images were normalised: "
        "data (the default), as the data set's: by the mean and standard deviation of each channel of "
        "the training images, or ImageNet's constants with --distortion=resized_crop; or tf, caffe or "
        "torch, as keras.applications has them; torch is torchvision's, too. With one of "
        "these three, layers of a .keras or .weights.h5 file that scale its images are left out; "
        "otherwise such a file is refused.",
        fv,
    )
    flags.DEFINE_integer(
        "train_head_epochs",
        _DEFAULTS.train_head_epochs,
        "For how many epochs only the head is trained in students that start from weights; these "
        "epochs count in the schedule, too. They also count in the bias correction of adam, adamw and "
        "nadam: the first steps of the other layers are then several times as large as the learning "
        "rate asks.",
        flag_values=fv,
    )
    flags.DEFINE_bool(
        "freeze_batch_norm",
        _DEFAULTS.freeze_batch_norm,
        "In students that start from weights, batch norm runs as in inference, and its variables "
        "are not changed.",
        fv,
    )


def settings_from_flags(flag_values: flags.FlagValues) -> settings_lib.Settings:
    """The run's `Settings`.

    Raises:
      ValueError: for a value out of range, in one line.
    """
    fields = training_flags.fields_of(settings_lib.Settings, flag_values)
    fields["students"] = tuple(each.strip() for each in fields["students"] or [])
    for name in ("initial_weights", "initial_normalization"):
        fields[name] = tuple(fields[name] or [])
    return settings_lib.Settings(**fields)


def default_workdir(settings: settings_lib.Settings) -> str:
    """The folder of a run without `--workdir`, by the settings' data set and method."""
    method = settings.ensemble if settings.method == "kdcl" else settings.method
    return training_flags.default_workdir(settings, settings.dataset, method)
