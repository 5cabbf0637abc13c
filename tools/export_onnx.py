"""Writes the ONNX files of an exported model to a folder: python tools/export_onnx.py MODEL_FOLDER OUTPUT_FOLDER.

They are `encoder/*.onnx` and `decoder/*.onnx`, with the names that docs/serving.md lists. A run with `--export_onnx`
writes the same files beside its SavedModels.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tf_scenes.app.endings import one_line_errors
from tf_scenes.serving import onnx_export
from tf_scenes.serving.exported import ExportedModel


def main(model_folder: str, output_folder: str) -> None:
    """Converts a model and prints what was written.

    Args:
        model_folder: Folder of the exported model, such as saved_models/lavae.
        output_folder: Folder to write to; it is made if there is none.

    Raises:
        UserError: If the model cannot be loaded or converted.
    """
    onnx_export.require_packages("the conversion")
    model = ExportedModel(model_folder)
    os.makedirs(output_folder, exist_ok=True)  # If that fails, it is said before the work.
    for path in onnx_export.write_all(model.signatures, output_folder):
        print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python tools/export_onnx.py MODEL_FOLDER OUTPUT_FOLDER")
    with one_line_errors():
        main(*sys.argv[1:])
