"""Configuration files with which TensorFlow Serving serves a folder of exported models."""

import os

from tf_scenes.files import write_text
from tf_scenes.serving.versions import PARTS, versions

# Path of the folder of exported models inside the server's container, as in the docker command of docs/serving.md.
_SERVED_FOLDER = "/models"

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


def write_server_config(folder: str) -> None:
    """Writes `models.config`, `batching.config` and `monitoring.config` beside the exported models.

    Args:
        folder: Folder of the models `<run>/{encoder,decoder}/<version>/`, which are served as `<run>_encoder` and
            `<run>_decoder`.
    """
    models = [
        _model(run, part)
        for run in sorted(os.listdir(folder))
        for part in PARTS
        if versions(os.path.join(folder, run, part))
    ]
    write_text(os.path.join(folder, "models.config"), "model_config_list {\n" + "".join(models) + "}\n")
    write_text(os.path.join(folder, "batching.config"), _BATCHING)
    write_text(os.path.join(folder, "monitoring.config"), _MONITORING)


def _model(run: str, part: str) -> str:
    return f"""  config {{
    name: "{run}_{part}"
    base_path: "{_SERVED_FOLDER}/{run}/{part}"
    model_platform: "tensorflow"
  }}
"""
