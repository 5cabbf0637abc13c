"""What a user meets first: the package in Python, its commands, and what an installation holds."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

import tf_scenes
from tests.conftest import ROOT, SMOKE, WITH_PACKAGE
from tf_scenes.shipped import find_shipped

IMPORT = """
import os, sys
before = dict(os.environ)
import tf_scenes
assert "load" in dir(tf_scenes) and tf_scenes.__version__
config = tf_scenes.Config(model="vae", data=tf_scenes.DataOptions(dataset="multi_dsprites", train_size=10))
assert config.data.train_size == 10 and config.training.batch_size == tf_scenes.TrainingOptions().batch_size
try:
    tf_scenes.DataOptions(train_size=0)
except tf_scenes.UserError as error:
    assert "--train_size" in str(error)
else:
    raise AssertionError("0 training images were accepted")
assert not [name for name in ("tensorflow", "keras", "tf_keras", "matplotlib") if name in sys.modules]
assert dict(os.environ) == before
"""


def test_importing_is_quiet_and_changes_nothing():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, env=WITH_PACKAGE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", [name for name in tf_scenes.__all__ if name != "__version__"])
def test_every_attribute_exists(name):
    assert getattr(tf_scenes, name).__name__ == name


def test_only_what_is_meant_for_users_is_listed():
    assert dir(tf_scenes) == sorted(tf_scenes.__all__)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        tf_scenes.train  # noqa: B018


@pytest.mark.parametrize("command", [["-m", "tf_scenes"], [os.path.join(ROOT, "main.py")]])
def test_commands_find_the_shipped_flagfiles_anywhere(command, tmp_path):
    flags = ["--flagfile=configs/smoke.cfg", "--mode=evaluate"]
    done = subprocess.run(
        [sys.executable, *command, *flags], capture_output=True, text=True, cwd=tmp_path, env=WITH_PACKAGE, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("Error: --run_dir=runs/smoke holds no run: train first")
    asked = subprocess.run(
        [sys.executable, *command, "--help"], capture_output=True, text=True, cwd=tmp_path, env=WITH_PACKAGE, check=True
    )
    expected = "python -m tf_scenes" if "-m" in command else "python main.py"
    assert asked.stdout.startswith(f"{expected} --flagfile=configs/NAME.cfg")


def test_a_users_own_file_comes_before_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert os.path.samefile(find_shipped("configs/smoke.cfg"), SMOKE)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "smoke.cfg").touch()
    assert find_shipped("configs/smoke.cfg") == "configs/smoke.cfg"
    # Only what is in configs/ comes with tf_scenes.
    assert find_shipped("setup.cfg") == "setup.cfg" and find_shipped("configs/none.cfg") == "configs/none.cfg"


def test_a_wheel_holds_all_code_configs_and_the_licence(tmp_path):
    # Built from a copy, so that nothing is left in the tree.
    source = tmp_path / "source"
    root = pathlib.Path(ROOT)
    files = [*root.glob("*"), *root.glob("tf_scenes/**/*.py"), *root.glob("configs/**/*")]
    kept = sorted(str(file.relative_to(root)) for file in files if file.is_file())
    for name in kept:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((root / name).read_bytes())
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, *build, str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("tf_scenes-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in kept if name.startswith("tf_scenes/") and name.endswith(".py")}
    configs = {f"tf_scenes/{name}" for name in kept if name.startswith("configs/")}
    # A package that is missing here is missing in setup.cfg.
    assert code | configs <= held and len(code) > 50 and len(configs) > 20
    assert [name for name in held if name.endswith("LICENSE")]
    with zipfile.ZipFile(wheel) as archive:
        (points,) = [name for name in held if name.endswith("entry_points.txt")]
        assert "tf-scenes = tf_scenes.app.command_line:run" in archive.read(points).decode()
