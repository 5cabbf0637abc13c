"""Configuration files with which TensorFlow Serving serves a folder of exported models."""

import os

from tf_scenes.errors import UserError
from tf_scenes.files import read_text, require_kinds, write_text
from tf_scenes.serving.versions import PARTS, versions

# Path of the folder of exported models inside the server's container, as in the docker command of docs/serving.md.
_SERVED_FOLDER = "/models"

_MODELS = """model_config_list {
}
"""

_BATCHING = """max_batch_size { value: 64 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""

_MONITORING = """prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def server_config(folder: str) -> str:
    """The contents of the `models.config` beside the folder of an exported model, or what it begins with.

    Args:
        folder: Folder of the exported model, which need not exist.

    Raises:
        UserError: If it is no list of models, or no file can be there.
    """
    parent = os.path.dirname(os.path.abspath(folder))
    require_kinds(parent, "export_dir", folders=(), files=("models.config", "batching.config", "monitoring.config"))
    path = os.path.join(parent, "models.config")
    models = read_text(path, default=_MODELS)
    if "}" not in models:
        raise UserError(f"{path} is not a list of models, model_config_list {{ ... }}: mend it, or delete it")
    return models


def add_to_server_config(folder: str) -> None:
    """Adds exported models to the `models.config` beside their folder; the other two files are written there as well.

    What is in these files already stays as it is: they are the user's, who may have changed them. A model of which
    there are earlier versions is not added again, since the user may have removed it.

    Args:
        folder: Folder `<run>` of the models `<run>/{encoder,decoder}/<version>/`, which are to be served as
            `<run>_encoder` and `<run>_decoder`.

    Raises:
        UserError: If `models.config` is no list of models.
    """
    parent, run = os.path.split(os.path.abspath(folder))
    path = os.path.join(parent, "models.config")
    kept = os.path.exists(path)
    models = server_config(folder)
    new = [
        _model(run, part)
        for part in PARTS
        if f'"{run}_{part}"' not in models and not (kept and _has_earlier_versions(os.path.join(folder, part)))
    ]
    head, brace, tail = models.rpartition("}")
    write_text(path, f"{head}{''.join(new)}{brace}{tail}")
    for name, text in (("batching.config", _BATCHING), ("monitoring.config", _MONITORING)):
        if not os.path.exists(os.path.join(parent, name)):
            write_text(os.path.join(parent, name), text)


def _has_earlier_versions(folder: str) -> bool:
    """Whether the newest version of an exported encoder or decoder is not its first, which may be there no longer."""
    return versions(folder)[-1:] > [1]


def _model(run: str, part: str) -> str:
    return f"""  config {{
    name: "{run}_{part}"
    base_path: "{_SERVED_FOLDER}/{run}/{part}"
    model_platform: "tensorflow"
  }}
"""
