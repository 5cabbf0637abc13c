"""What several tests share."""

import importlib.util
import os
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes import config
from tf_scenes.data.scene_datasets import SceneDataset
from tf_scenes.data.scenes import Split
from tf_scenes.data.sprites import SpriteBank
from tf_scenes.stack import keras

# A thread for each process: tests are too small for more, and there are as many processes as cores. Those that tests
# start are told by the environment.
tf.config.threading.set_intra_op_parallelism_threads(1)
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1")
os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # What they print is tested as it is by default.

# Two devices, so that a strategy has two replicas; this must come before TensorFlow's first op.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# A fifth of the time would go into optimising graphs that run a few times. Runs of the command line do optimise theirs.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MNIST = os.path.join(ROOT, "..", "shared", "data", "mnist")
SMOKE = os.path.join(ROOT, "configs", "smoke.cfg")

# Files whose tests share a process for a minute and more.
_LONGEST = ("test_main.py", "test_strategies.py", "test_kills.py")

# Commands find the package where it is installed, or here.
WITH_PACKAGE = {**os.environ, "PYTHONPATH": ROOT}


def load_tool(name: str) -> types.ModuleType:
    """The command `tools/<name>.py` as a module."""
    spec = importlib.util.spec_from_file_location(name, os.path.join(ROOT, "tools", f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests are slow, and which share a process.

    Tests of a file share one; of the conformance table those of a model; and those of one trained run.
    """
    for item in items:
        slow_for, parameters = item.get_closest_marker("slow_for"), getattr(item, "callspec", None)
        if slow_for and parameters and set(slow_for.args) & {str(each) for each in parameters.params.values()}:
            item.add_marker(pytest.mark.slow)
        part = ""
        if item.path.name == "test_conformance.py":
            part = item.callspec.params["name"]
        elif item.path.name == "test_exported_models.py" and "exported" in item.fixturenames:
            part = item.callspec.params["exported"]
        elif item.path.name == "test_main.py" and "trained" not in item.fixturenames:
            part = "others"
        # By its path: rooms have files of the same name.
        item.add_marker(pytest.mark.xdist_group(f"{os.path.relpath(item.path, ROOT)} {part}"))
    # Started last, they would run while the other process has nothing left to do.
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture
def mnist_path() -> str:
    """A folder with real MNIST digits; TF_SCENES_MNIST names another than the development machines'."""
    path = os.environ.get("TF_SCENES_MNIST", MNIST)
    if not os.path.isdir(path):
        pytest.skip("no MNIST here: set TF_SCENES_MNIST to a folder with its IDX .gz files")
    return path


@pytest.fixture(scope="session")
def make_config():
    """A configuration from flags, as the command line would make it."""

    return lambda *arguments: config.config_of(arguments)


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.Strategy:
    """One strategy for all tests: a second one in a process would use the same keys for its collective operations."""
    devices = tf.config.list_logical_devices("CPU")
    assert len(devices) == 2
    return tf.distribute.MirroredStrategy(devices)


@pytest.fixture
def optimised_graphs():
    """Lets TensorFlow optimise graphs, as it does for users."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture
def squares() -> SpriteBank:
    """Two binary sprites: a 4 x 4 square that fills its frame, and a 2 x 6 bar in a frame of 6."""
    sprites = np.zeros((2, 6, 6, 1), np.uint8)
    sprites[0, :4, :4] = 255
    sprites[1, 2:4] = 255
    return SpriteBank(
        sprites, np.array([4, 6], np.int32), labels=np.array([0, 1], np.int32), label_names=("square", "bar")
    )


@pytest.fixture
def small_scenes(squares) -> SceneDataset:
    """Scenes of 24 x 24 with 0-3 of those sprites."""
    splits = (
        Split("train", 1_000, 0, 3, held_out=False),
        Split("test", 64, 0, 3, held_out=True),
        Split("test_7", 32, 5, 5, held_out=True),
    )
    return SceneDataset(squares, splits, image_size=24, seed=0)


@pytest.fixture(autouse=True)
def _fresh_graph():
    """Keras keeps every model's names, and the last model's precision; start each test with none."""
    keras.backend.clear_session()
    keras.mixed_precision.set_global_policy("float32")
