"""Options of what is predicted for picture files."""

import dataclasses
import glob
import os
from typing import Optional

from tf_scenes.errors import UserError
from tf_scenes.files import folders_holding
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class PredictionOptions(Options, affects_training=False):
    """Options of --mode=predict and --mode=predict_beam; options of Apache Beam stand after --."""

    predict_images: Optional[str] = option(
        None,
        "Pictures in which --mode=predict finds objects: a folder, which is searched with all folders in it, a glob or "
        "a file; PNG, JPEG, BMP or TIFF. For --mode=predict_beam, this and the folders of --predict_models and "
        "--predict_dir may be on any of Apache Beam's file systems, such as gs://bucket/folder.",
    )
    predict_models: Optional[str] = option(
        None,
        "Folder of the exported encoder/ and decoder/ that --mode=predict or --mode=predict_beam uses. Default, for "
        "--mode=predict alone: the trained model of --run_dir.",
    )
    predict_dir: Optional[str] = option(
        None,
        "Folder for the results of --mode=predict: counts.csv, objects.csv, instances.json, masks/ and overlays/; of "
        "--mode=predict_beam: the same tables and errors in Parquet files. Default: predictions/ in --run_dir, or with "
        "--predict_models predictions/<name of that folder>.",
    )
    predict_scale: float = option(
        1.0,
        "Factor by which --mode=predict and --mode=predict_beam resize pictures before the model sees them, e.g. 0.5 "
        "where objects are twice as large as those trained on. Results are in the files' own pixels.",
        lower=0.01,
        upper=100.0,
    )
    predict_shards: int = option(
        16, "Number of Parquet files in which --mode=predict_beam writes each table.", lower=1, upper=10_000
    )
    predict_csv: bool = option(
        False, "Whether --mode=predict_beam also writes counts.csv, objects.csv and errors.csv, one file each."
    )
    predict_pictures: bool = option(
        False, "Whether --mode=predict_beam also writes masks/ and overlays/, as --mode=predict always does."
    )

    def flags_of_beam(self) -> list[str]:
        """Flags of --mode=predict_beam alone that have other values than their defaults."""
        names = ("predict_shards", "predict_csv", "predict_pictures")
        defaults = {name: field.default for name, field in self.flags()}
        return [f"--{name}" for name in names if getattr(self, name) != defaults[name]]

    def folder(self, run_dir: str) -> str:
        """Folder of the results.

        Args:
            run_dir: Folder of the run.
        """
        if self.predict_dir:
            return self.predict_dir
        if self.predict_models:
            return os.path.join("predictions", os.path.basename(os.path.abspath(self.predict_models)))
        return os.path.join(run_dir, "predictions")

    def require_files(self) -> None:
        """Checks, before TensorFlow is imported, that the files exist that the options name.

        Raises:
            UserError: If one does not.
        """
        pictures = self.predict_images
        if not os.path.exists(pictures) and not glob.glob(pictures, recursive=True):
            raise UserError(f"--predict_images={pictures} does not exist: a folder, a glob or a picture is needed")
        self.require_model()

    def require_model(self) -> None:
        """Checks that there is an exported model on this machine, if the options name one.

        Raises:
            UserError: If there is none.
        """
        models = self.predict_models
        if models and not os.path.isdir(os.path.join(models, "encoder")):
            inside = folders_holding(models, "encoder")
            raise UserError(
                f"--predict_models={models} holds no exported model: a folder with encoder/1/ and decoder/1/ is needed"
                + (f"; folders in it have one: {', '.join(inside)}" if inside else "")
            )
