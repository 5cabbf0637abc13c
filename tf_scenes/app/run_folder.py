"""The folder of a run: whose it is. This module does not import TensorFlow, so that bad flags are found at once."""

import glob
import os
import re
from typing import Any

from tf_scenes.config import RUN_FLAGS, RUN_MODEL, Config, flag_differences
from tf_scenes.errors import UserError
from tf_scenes.files import read_json, require_kinds, require_writable
from tf_scenes.serving.server_config import server_config
from tf_scenes.serving.versions import names_of_folders

# In a run's folder.
CHECKPOINTS, LOGS = "checkpoints", "logs"
# Entries of a report that are no sections; exported models have notes.
_NO_SECTIONS = ("train_seconds", "train_steps", "parameters", "notes")


def read_report(path: str) -> dict[str, Any]:
    """Reads a run's `report.json` or one like it; empty if there is none.

    Raises:
        UserError: If the file is damaged, or is no report.
    """
    report = read_json(path)
    sections = {name: section for name, section in report.items() if name not in _NO_SECTIONS}
    if report and not ("flags" in report and all(isinstance(section, dict) for section in sections.values())):
        raise UserError(f"{path} is damaged: it is no report of a run; delete it")
    return report


def check_places(config: Config) -> None:
    """Checks that results can be written where a mode writes them.

    Args:
        config: Configuration of the task.

    Raises:
        UserError: If they cannot.
    """
    job, prediction = config.job, config.prediction
    tries = job.strategy != "multi_worker"  # Workers would make and remove the same folders at once.
    if job.mode == "predict":
        require_writable(prediction.folder(job.run_dir), "predict_dir" if prediction.predict_dir else "run_dir")
        return
    if job.mode != "export":
        require_writable(job.run_dir, "run_dir", tries)
        require_kinds(job.run_dir, "run_dir", (CHECKPOINTS, LOGS, "figures"), ("report.json", RUN_FLAGS, RUN_MODEL))
    if job.mode in ("train", "export"):
        name = os.path.basename(os.path.abspath(job.export_dir))
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise UserError(
                f"--export_dir={job.export_dir} must end in a name of letters from A to Z, digits, '.', '_' and '-', "
                "under which the model can be served"
            )
        require_writable(job.export_dir, "export_dir", tries)
        require_kinds(job.export_dir, "export_dir", names_of_folders(job.export_dir), ("report.json", "README.md"))
        server_config(job.export_dir)


def check_folder(config: Config) -> None:
    """Checks that a run's folder, if it exists, is that of a run with the same flags.

    A folder belongs to a run once there is a checkpoint. More training steps than before extend a run.

    Args:
        config: Configuration of the run.

    Raises:
        UserError: If the folder belongs to a run with other flags, or holds no run and the mode is not `train`.
    """
    folder, mode = config.job.run_dir, config.job.mode
    path, trains = os.path.join(folder, RUN_FLAGS), mode == "train"
    wanted = config.training_flags()
    if trains and not glob.glob(os.path.join(glob.escape(folder), CHECKPOINTS, "*.index")):
        return
    if os.path.exists(path):
        kept = read_json(path)
        steps = kept.get("train_steps")
        if trains and isinstance(steps, int) and wanted["train_steps"] > steps:
            kept["train_steps"] = wanted["train_steps"]
        differences = flag_differences(kept, wanted)
        if differences:
            raise UserError(f"--run_dir={folder} belongs to a run with other flags: {', '.join(differences)}")
        return
    if not trains and os.path.isdir(os.path.join(folder, "encoder")):
        raise UserError(
            f"--run_dir={folder} holds an exported model, not a run: name it by --predict_models or --edit_models"
        )
    if not trains:
        exported = ", or name an exported model by --predict_models" if mode == "predict" else ""
        raise UserError(f"--run_dir={folder} holds no run: train first (--mode=train with the same flags){exported}")
