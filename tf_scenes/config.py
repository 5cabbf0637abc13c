"""The configuration: frozen, typed and validated; the only place that turns options into flags and back.

Every option is defined once, in the `options.py` of the package that it belongs to. Flags of a model's options have
their section as a prefix (`--lavae.latent_dim`).
"""

import dataclasses
import os
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from absl import flags

from tf_scenes import flagfiles
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError
from tf_scenes.evaluation.options import EvaluationOptions
from tf_scenes.files import read_json
from tf_scenes.models import registry
from tf_scenes.options import Options, option, plain_type, requirement
from tf_scenes.prediction.options import PredictionOptions
from tf_scenes.serving.options import ServingOptions
from tf_scenes.training.options import TrainingOptions

# In a run's folder: the flags that it belongs to; and what else its model is built and used with.
RUN_FLAGS, RUN_MODEL = "flags.json", "model.json"
# Experiments on a trained run; the results of each are a section of its report.
EXPERIMENTS = ("likelihood", "disentanglement", "factors", "likeness", "canvases")
MODES = ("train", "evaluate", "export", "generate", "edit", "predict", "predict_beam", "compare", *EXPERIMENTS)


# In --export_dir, it stands for the run's folder.
_RUN_DIR = "{run_dir}"


@dataclasses.dataclass(frozen=True)
class JobOptions(Options, affects_training=False):
    """The task, the devices it runs on, and the folders of its results."""

    mode: str = option("train", "Task to run; train also evaluates and exports the model.", choices=MODES)
    run_dir: Optional[str] = option(
        None,
        "Folder of the run, for checkpoints, TensorBoard logs, figures/ and report.json. Default: runs/<flagfile's "
        "name>, or without a flagfile runs/<model>_<dataset>; for --mode=compare runs/comparison. Where a run is there "
        "already, modes other than train need no flags of its model and data: they are those that it was trained with.",
    )
    export_dir: Optional[str] = option(
        None,
        "Folder for the exported encoder and decoder, in which {run_dir} stands for the run's folder. Default: the one "
        "that the run was trained with, or exports/<name of the run's folder>.",
    )
    compare_runs: Optional[str] = option(
        None,
        "Comma-separated folders of the runs that --mode=compare plots. A folder of several runs, such as one for each "
        "seed, is one curve: their mean, and what lies between the lowest and the highest.",
    )
    compare_measure: str = option(
        "count_accuracy", "Held-out measure that --mode=compare plots, e.g. count_accuracy or elbo."
    )
    seed: int = option(
        0,
        "Seed of all random numbers: scenes, initial weights and samples.",
        lower=0,
        upper=2**31 - 1,
        affects_training=True,
    )
    strategy: str = option(
        "default",
        "Devices to train on: one device (default), all GPUs of this machine (mirrored), or the machines listed in the "
        "environment variable TF_CONFIG (multi_worker). See docs/distributed.md.",
        choices=("default", "mirrored", "multi_worker"),
    )
    deterministic: bool = option(
        True,
        "Whether operations give bitwise identical results each time on the same machine. --nodeterministic may be "
        "faster on GPUs.",
    )

    def kept_export_dir(self) -> Optional[str]:
        """`export_dir` as the run keeps it: with {run_dir} for the run's folder, None if it is the default."""
        inside = os.path.relpath(self.export_dir, self.run_dir)
        if not inside.startswith(os.pardir):
            return os.path.join(_RUN_DIR, inside)
        return None if self.export_dir == _default_export_dir(self.run_dir) else os.path.abspath(self.export_dir)


# The sections that every run has; those of the models follow them.
_SECTIONS: Mapping[str, type[Options]] = {
    "job": JobOptions,
    "data": DataOptions,
    "training": TrainingOptions,
    "evaluation": EvaluationOptions,
    "serving": ServingOptions,
    "prediction": PredictionOptions,
}


@dataclasses.dataclass(frozen=True)
class Config:
    """All options of a run, from flags (`config_from_flags`) or given in Python; sections left out have their defaults.

    Attributes:
        model: Name of the model.
        job: Options of the task, its devices and its folders.
        data: Options of the scenes.
        training: Training options.
        evaluation: Options of what is done with a trained model.
        serving: Options of the exported models.
        prediction: Options of what is predicted for picture files.
        model_options: Options of all models by section; those of models other than `model` have no effect.

    Raises:
        UserError: On creation, if an option has an invalid value or options are incompatible; the message names the
            flags.
    """

    model: str = "lavae"
    job: JobOptions = dataclasses.field(default_factory=JobOptions)
    data: DataOptions = dataclasses.field(default_factory=DataOptions)
    training: TrainingOptions = dataclasses.field(default_factory=TrainingOptions)
    evaluation: EvaluationOptions = dataclasses.field(default_factory=EvaluationOptions)
    serving: ServingOptions = dataclasses.field(default_factory=ServingOptions)
    prediction: PredictionOptions = dataclasses.field(default_factory=PredictionOptions)
    model_options: Mapping[str, Options] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fills in the default options of models, and checks options of different sections against each other."""
        if self.model not in registry.names():
            raise UserError(f"--model={self.model} must be one of {', '.join(registry.names())}")
        for name, section in _SECTIONS.items():
            if not isinstance(getattr(self, name), section):
                raise UserError(f"{name}={getattr(self, name)!r} must be a {section.__name__}")
        sections = registry.sections()
        for name, options in dict(self.model_options).items():
            if name not in sections or not isinstance(options, sections[name]):
                raise UserError(f"model_options['{name}'] is {options!r}: sections are {', '.join(sections)}")
        defaults = {name: section() for name, section in sections.items()}
        completed = types.MappingProxyType({**defaults, **self.model_options})
        object.__setattr__(self, "model_options", completed)
        registry.entry(self.model).check(self)
        if self.job.mode == "edit" and not self.evaluation.edit_path:
            raise UserError("--mode=edit needs --edit_path, an edit script")
        if self.job.mode == "predict" and not self.prediction.predict_images:
            raise UserError("--mode=predict needs --predict_images, a folder, a glob or a picture")
        of_beam = self.prediction.flags_of_beam()
        if self.job.mode == "predict" and of_beam:
            raise UserError(
                f"{of_beam[0]} needs --mode=predict_beam: --mode=predict writes CSV tables, "
                "masks and overlays, never Parquet files"
            )
        if self.job.mode == "predict_beam" and not (self.prediction.predict_images and self.prediction.predict_models):
            raise UserError(
                "--mode=predict_beam needs --predict_images, a folder, a glob or a picture, and --predict_models, the "
                "folder of an exported model"
            )
        if self.job.mode == "compare" and not all((self.job.compare_runs or "").split(",")):
            raise UserError("--mode=compare needs --compare_runs, a comma-separated list of run folders")
        if self.evaluation.max_inferred_objects < self.data.max_objects:
            raise UserError("--max_inferred_objects must not be below --max_objects")
        if self.serving.export_onnx and self.training.precision == "mixed_bfloat16":
            raise UserError("--export_onnx needs another --precision than mixed_bfloat16, which runtimes of ONNX lack")

    @property
    def uses_run(self) -> bool:
        """Whether the mode trains the run in `--run_dir`, or uses one that has been trained."""
        return _uses_run(self.job.mode, self.prediction.predict_models, self.evaluation.edit_models)

    def own_model_options(self) -> tuple[Options, ...]:
        """The sections of options that the model's constructor takes, in the order of its parameters."""
        return tuple(self.model_options[options.section] for options in registry.entry(self.model).options)

    def _sections(self) -> Iterator[Options]:
        yield from (getattr(self, name) for name in _SECTIONS)
        yield from self.model_options.values()

    def flag_values(self) -> dict[str, Any]:
        """The values of all flags by name, in the order of their definitions."""
        values = {name: getattr(each, field.name) for each in self._sections() for name, field in each.flags()}
        return {"model": self.model, **values}

    def training_flags(self) -> dict[str, Any]:
        """The values of the flags that influence what is learned; a run's folder belongs to one set of them."""
        sections = [*_SECTIONS.values(), *registry.entry(self.model).options]
        names = {"model"}.union(*(section.flags_of_training() for section in sections))
        return {name: value for name, value in self.flag_values().items() if name in names}

    def inference_flags(self) -> dict[str, Any]:
        """The values of the model's other flags, which take effect without training; measurements depend on them."""
        names = {name for section in registry.entry(self.model).options for name, _ in section.flags()}
        names = {"max_inferred_objects", *names}.difference(self.training_flags())
        return {name: value for name, value in self.flag_values().items() if name in names}


def flag_groups() -> dict[str, type[Options]]:
    """All sections of options by name, first those that all models share, then those of models."""
    return {**_SECTIONS, **registry.sections()}


def flag_defaults() -> dict[str, Any]:
    """The defaults of all flags by name."""
    return {name: field.default for section in flag_groups().values() for name, field in section.flags()}


def training_flag_names() -> list[str]:
    """The names of all flags, of whichever model, that influence what is learned; sorted."""
    return sorted({"model"}.union(*(section.flags_of_training() for section in flag_groups().values())))


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines an absl flag for every option."""
    flags.DEFINE_enum(
        "model", "lavae", list(registry.names()), "Model to train or to use; see --help.", flag_values=flag_values
    )
    for section in flag_groups().values():
        for name, field in section.flags():
            _define_flag(name, field, flag_values)


def _define_flag(name: str, field: dataclasses.Field, flag_values: flags.FlagValues) -> None:
    help_text, lower, upper, choices = (field.metadata[key] for key in ("help", "lower", "upper", "choices"))
    common = {"name": name, "default": field.default, "help": help_text, "flag_values": flag_values}
    kind = plain_type(field)
    if choices:
        flags.DEFINE_enum(enum_values=list(choices), **common)
    elif kind is int:
        flags.DEFINE_integer(lower_bound=lower, upper_bound=upper, **common)
    elif kind is float:
        flags.DEFINE_float(lower_bound=lower, upper_bound=upper, **common)
    elif kind is bool:
        flags.DEFINE_boolean(**common)
    else:
        flags.DEFINE_string(**common)


def config_of(arguments: Sequence[str]) -> Config:
    """The configuration that `main.py` makes of a command line.

    Args:
        arguments: Flags, e.g. `--flagfile=configs/lavae.cfg`.

    Raises:
        UserError: If a flag does not exist, flags have invalid or incompatible values, or a flagfile cannot be read.
    """
    values = flags.FlagValues()
    define_flags(values)
    if isinstance(arguments, str):
        raise UserError(f"flags must be a list of texts, such as [{arguments!r}]")
    stray = parse_flags(["main.py", *arguments], values)[1:]
    if stray:
        raise UserError(f"unknown argument '{stray[0]}': only --flags are accepted")
    return config_from_flags(values, list(arguments))


def parse_flags(arguments: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Parses a command line.

    Args:
        arguments: Command line; its first argument is the program's name.
        flag_values: Defined flags.

    Returns:
        The command line without flags.

    Raises:
        UserError: If a flag does not exist or has an invalid value, or a flagfile cannot be read.
    """
    try:
        return flag_values(flagfiles.expand(arguments))
    except (flags.Error, ValueError) as error:  # A ValueError: a value after --no<flag>.
        raise UserError(_complaint(str(error)) + _hint(error, arguments)) from None


def _hint(error: Exception, arguments: Sequence[str]) -> str:
    unknown = isinstance(error, flags.UnrecognizedFlagError) and "Did you mean" not in str(error)
    of_beam = unknown and "--mode=predict_beam" in arguments
    return "; options of Apache Beam stand after --" if of_beam else ""


def _complaint(message: str) -> str:
    """What absl says of a flag, in the words of `Options` if it is about the value of an option."""
    if message.endswith("does not take an argument"):
        return f"{message}: --name for true, --noname for false"
    found = re.match(r"flag --([\w.]+)=(.*?): ", message, flags=re.DOTALL)
    fields = {name: field for section in flag_groups().values() for name, field in section.flags()}
    if found is None or found[1] not in fields:
        return message
    return f"--{found[1]}={found[2]} must be {requirement(fields[found[1]])}"


def flag_differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The flags in which a run differs from what is wanted, each as `--name=wanted (there: kept)`.

    Args:
        kept: Values by flag, as a run wrote them. Flags that did not exist then count as having their defaults, which
            must change nothing.
        wanted: Values by flag, as of today.
    """
    if "model" in kept and kept["model"] != wanted.get("model"):  # The flags of another model are of no interest.
        return [f"--model={wanted.get('model')} (there: {kept['model']})"]
    kept = {**{name: value for name, value in flag_defaults().items() if name in wanted}, **kept}
    names = sorted(name for name in {*kept, *wanted} if kept.get(name) != wanted.get(name))
    return [f"--{name}={wanted.get(name)} (there: {kept.get(name)})" for name in names]


def config_from_flags(flag_values: flags.FlagValues = flags.FLAGS, arguments: Optional[list[str]] = None) -> Config:
    """Makes a configuration from parsed flags.

    Flags that are not given have their defaults, or, to use a run that has been trained, the values that it has.

    Args:
        flag_values: Parsed flags.
        arguments: Command line, from which default folders take the flagfile's name; `sys.argv` by default.

    Raises:
        UserError: If flags have invalid or incompatible values.
    """
    values = {name: _from_home(flag_values[name].value) for name in ("model", *flag_defaults())}
    values["run_dir"] = values["run_dir"] or os.path.join("runs", _run_name(values, arguments))
    run = os.path.normpath(values["run_dir"])
    if values["mode"] != "train" and _uses_run(*(values[name] for name in ("mode", "predict_models", "edit_models"))):
        given = {name for name in values if _is_given(flag_values, name)}
        kept = {**flags_of_run(run), **_paths_of_run(run, given)}
        values.update({name: value for name, value in kept.items() if name not in given})
    values["export_dir"] = (values["export_dir"] or _default_export_dir(run)).replace(_RUN_DIR, run)
    return config_of_values(values)


def _from_home(value: Any) -> Any:
    """A value whose leading ~ is the user's home, for shells that leave it as it is after --flag=."""
    return os.path.expanduser(value) if isinstance(value, str) else value


def _paths_of_run(folder: str, given: set[str]) -> dict[str, str]:
    """Where a run's data was and its exports are, by flag, as far as it goes together with the flags that are given."""
    model = model_of_run(folder)
    kept = {"export_dir": model["export_dir"]} if model.get("export_dir") else {}
    if "images_path" in given:  # The others are about other images.
        return kept
    held_out = {"validation_path", "test_path", "masks_path"}
    paths = model.get("paths", {})
    return {**kept, **{name: path for name, path in paths.items() if name not in held_out or not given & held_out}}


def _default_export_dir(run_dir: str) -> str:
    return os.path.join("exports", os.path.basename(os.path.normpath(run_dir)))


def _uses_run(mode: str, predict_models: Optional[str], edit_models: Optional[str]) -> bool:
    """Whether a mode is about the run in `--run_dir`, and not about several runs or an exported model."""
    if mode in ("predict", "edit"):
        return not (predict_models if mode == "predict" else edit_models)
    return mode not in ("compare", "predict_beam")


def _run_name(values: Mapping[str, Any], arguments: Optional[list[str]]) -> str:
    """The name of the run's folder, unless `--run_dir` gives one."""
    if values["mode"] == "compare":
        return "comparison"
    flagfile = flagfiles.last_name(sys.argv if arguments is None else arguments)
    return flagfile or f"{values['model']}_{values['dataset']}"


def _is_given(flag_values: flags.FlagValues, name: str) -> bool:
    """Whether a flag is on the command line or in a flagfile."""
    return name in flag_values and bool(flag_values[name].present)


def flags_of_run(folder: str) -> dict[str, Any]:
    """The values of the flags that a run was trained with, those of inference included; empty if there is no run.

    Args:
        folder: Folder of the run.

    Raises:
        UserError: If a file in it is damaged.
    """
    values = {**read_json(os.path.join(folder, RUN_FLAGS)), **model_of_run(folder).get("inference_flags", {})}
    try:
        config_of_values(values)
    except UserError as error:
        raise UserError(
            f"{os.path.join(folder, RUN_FLAGS)} is damaged, or of another version of tf_scenes: {error}"
        ) from error
    return values


def model_of_run(folder: str) -> dict[str, Any]:
    """What a run's model is built and used with, beside its flags; empty if there is no run, or one of old versions.

    Args:
        folder: Folder of the run.

    Returns:
        `image_shape`, height, width and channels of its images; `inference_flags` and `paths`, values by flag;
        `export_dir`, text or None.

    Raises:
        UserError: If the file is damaged.
    """
    path = os.path.join(folder, RUN_MODEL)
    model = read_json(path)
    shape = model.get("image_shape", [8, 8, 1])
    valid = isinstance(shape, list) and len(shape) == 3 and all(type(side) is int and side > 0 for side in shape)
    valid &= isinstance(model.get("inference_flags", {}), dict) and isinstance(model.get("paths", {}), dict)
    if valid:
        paths = model.get("paths", {})
        texts = [*paths.values(), model.get("export_dir") or ""]
        valid = all(isinstance(each, str) for each in texts) and all(name.endswith("_path") for name in paths)
    if not valid:
        raise UserError(f"{path} is damaged: it is not what a run writes; delete it")
    return model


def config_of_values(values: Mapping[str, Any]) -> Config:
    """Makes a configuration from values by flag, such as those in a run's `flags.json`.

    Args:
        values: Values by flag; those left out have their defaults.

    Raises:
        UserError: If values are invalid or incompatible, or a flag does not exist.
    """
    unknown = sorted(values.keys() - {"model"} - flag_defaults().keys())
    if unknown:
        raise UserError(f"--{unknown[0]} does not exist in this version of tf_scenes")
    sections = {
        section_name: section(**{field.name: values[name] for name, field in section.flags() if name in values})
        for section_name, section in flag_groups().items()
    }
    own = {name: sections.pop(name) for name in registry.sections()}
    return Config(model_options=own, **{name: values[name] for name in ("model",) if name in values}, **sections)
