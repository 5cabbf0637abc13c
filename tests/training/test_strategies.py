"""Several devices in this process, several workers in processes of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT
from tests.models.model_table import COMMON, LARGE, MODELS, examples_for
from tests.training.test_resume import FLAGS
from tf_scenes.app.build import build_model
from tf_scenes.errors import UserError
from tf_scenes.stack import keras
from tf_scenes.training import strategies
from tf_scenes.training.optimizers import GroupedOptimizer

# What is over each device's own images, as documented: the information of categories, and costs that NVIL compares.
SHARED = ("--discrete_air.invariance_weight=0", "--attention.estimator=relaxed")


@pytest.fixture
def no_noise(monkeypatch):
    """Puts all draws in the middle, so that they do not depend on the device."""
    for module in (tf.random, tf.compat.v2.random):
        draw = module.stateless_uniform

        def uniform(shape, seed, minval=0, maxval=None, dtype=tf.float32, draw=draw, **options):
            if not tf.as_dtype(dtype).is_floating:  # Seeds are split with it.
                return draw(shape, seed, minval=minval, maxval=maxval, dtype=dtype, **options)
            return tf.fill(shape, tf.cast(0.5 * (minval + (1.0 if maxval is None else maxval)), dtype))

        def normal(shape, seed, mean=0.0, stddev=1.0, dtype=tf.float32, **options):
            return tf.fill(shape, tf.cast(mean, dtype))

        monkeypatch.setattr(module, "stateless_uniform", uniform)
        monkeypatch.setattr(module, "stateless_normal", normal)


def _model(make_config, name):
    """A model whose step is one of plain gradient descent."""
    keras.utils.set_random_seed(0)
    model = build_model(make_config(*COMMON, *MODELS[name], *SHARED), (24, 24, 1))
    descent = {group: keras.optimizers.SGD(1e-3) for group in model.optimizer.by_group}
    model.compile(GroupedOptimizer(descent, model.variable_groups))
    model.optimizer.iterations.assign(10)  # After LAVAE's warm-up.
    return model


@pytest.mark.slow_for("lavae", "vae", *LARGE)
@pytest.mark.parametrize("name", MODELS)
def test_two_devices_take_the_step_of_one(make_config, two_replicas, no_noise, name):
    one = _model(make_config, name)
    with two_replicas.scope():
        two = _model(make_config, name)
    two.set_weights(one.get_weights())
    before, images = one.get_weights(), tf.constant(examples_for(name))
    losses = one.train_step({"images": images})
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda context: images[4 * context.replica_id_in_sync_group :][:4]
    )
    step = tf.function(lambda images: two.train_step({"images": images}))
    two_replicas.run(step, [halves])
    np.testing.assert_allclose(two.metrics[0].result(), losses["loss"], rtol=1e-5)
    running = {id(variable) for metric in one.metrics for variable in metric.variables}
    for old, expected, variable in zip(before, one.weights, two.weights):
        if id(expected) in running:
            continue
        change = expected.numpy() - old
        # A single device's moving variances are the unbiased ones, 1.4 % larger for these images.
        tolerance = 0.05 * np.abs(change).max() + 1e-6
        np.testing.assert_allclose(variable.numpy() - old, change, rtol=0.0, atol=tolerance, err_msg=variable.name)


@pytest.mark.slow
def test_two_devices_cluster_and_merge_categories(make_config, two_replicas):
    with two_replicas.scope():
        model = build_model(make_config(*COMMON, *MODELS["discrete_air"]), (24, 24, 1))
    clustering, images = model.clustering, tf.constant(examples_for("discrete_air"))
    before = [variable.numpy() for variable in (clustering._joint, clustering._merging)]
    step = tf.function(lambda: two_replicas.run(lambda: model.train_step({"images": images})))
    for _ in range(3):  # Categories are merged in the last of these steps.
        step()
    for variable, old in zip((clustering._joint, clustering._merging), before):
        first, second = two_replicas.experimental_local_results(variable)
        np.testing.assert_array_equal(first, second)
        assert not np.allclose(first, old)


def _cluster(workers, index=0, kind="worker", **others):
    return json.dumps({"cluster": {"worker": workers, **others}, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", 100_000 * "[", '{"cluster": {"ps": ["a:1"]}}', '{"cluster": 3, "task": 4}'),
        *(_cluster(["a:1", "b:1"], index) for index in (2, -1, "0", 1.0, True, None)),
        *(_cluster(workers) for workers in ([], "a:1", ["a"], ["a:"], ["a:x"], [3], [["a:1"]], ["a:1", "a:1"])),
        *(_cluster(["a:1"], kind=kind) for kind in ("chief", "ps", None)),
        *(_cluster(["a:1"], ps=["b:1"]), _cluster(["a:1"], chief="b:1")),
    ],
)
def test_an_invalid_tf_config_is_reported(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="needs the environment variable TF_CONFIG") as error:
        strategies.make_strategy("multi_worker", 8)
    assert len(str(error.value)) < 600 and "\n" not in str(error.value)


@pytest.mark.parametrize("address", ["a:1", "[::1]:80"])
def test_a_cluster_of_one_worker_is_one_device(monkeypatch, address):
    monkeypatch.setenv("TF_CONFIG", _cluster([address]))
    strategy = strategies.make_strategy("multi_worker", 7)
    assert strategy.num_replicas_in_sync == 1 and strategies.is_chief(strategy)


def test_an_address_at_which_nothing_can_listen_is_reported(monkeypatch):
    def start():
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", start)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        own = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("TF_CONFIG", _cluster([own, "b:1"]))
        taken.listen()
        with pytest.raises(UserError, match=rf"cannot listen at its address in TF_CONFIG, '{own}' \(Address already"):
            strategies.make_strategy("multi_worker", 8)
    with pytest.raises(UserError, match=r"cannot listen at its address in TF_CONFIG \(Could not start gRPC server\)"):
        strategies.make_strategy("multi_worker", 8)
    monkeypatch.setenv("TF_CONFIG", _cluster(["nosuch.invalid:1", "b:1"]))
    with pytest.raises(UserError, match=r"cannot listen at its address in TF_CONFIG, 'nosuch\.invalid:1"):
        strategies.make_strategy("multi_worker", 8)


def test_a_batch_that_cannot_be_shared_is_reported(two_replicas, monkeypatch):
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: two_replicas)
    with pytest.raises(UserError, match="--batch_size=9 must be a multiple of the number of devices, 2"):
        strategies.make_strategy("mirrored", 9)
    assert strategies.make_strategy("mirrored", 8) is two_replicas
    assert strategies.is_chief(two_replicas)


def _start(path, ports):
    """Two workers of one run; the flags are those of the runs that are killed alone."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    processes = []
    for index in range(2):
        cluster = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        command = [sys.executable, os.path.join(ROOT, "main.py"), *FLAGS, "--strategy=multi_worker"]
        folders = [f"--run_dir={path}", f"--export_dir={path}/saved"]
        with open(f"{path}_{index}.log", "a") as log:
            process = subprocess.Popen(
                [*command, *folders], cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "TF_CONFIG": cluster}
            )
        processes.append(process)
    return processes


def _free_ports():
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _logs(path):
    return [open(f"{path}_{index}.log").read() for index in range(2)]


@pytest.mark.slow
def test_two_workers_train_together_and_go_on_after_one_was_killed(tmp_path):
    path = str(tmp_path / "run")
    chief, other = _start(path, _free_ports())
    known = os.path.join(path, "checkpoints", "checkpoint")
    while not os.path.exists(known) and chief.poll() is None:
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    other.wait()
    try:
        assert chief.wait(timeout=120) != 0
    finally:
        chief.kill()
    assert "another worker was lost" in _logs(path)[0]
    assert "Traceback" not in _logs(path)[0]

    for process in _start(path, _free_ports()):
        assert process.wait(timeout=300) == 0, _logs(path)
    log = _logs(path)[0]
    assert "Going on from step" in log
    # What is reported is the mean over workers, not their sum; it was 2.0 for a weight of 1.
    assert [float(weight) for weight in re.findall(r"step 16: .* kl_weight ([0-9.]+)", log)] == [1.0]
    with open(os.path.join(path, "report.json")) as file:
        assert json.load(file)["train_steps"] == 16
    assert not [name for name in os.listdir(os.path.join(path, "checkpoints")) if name.startswith("worker")]
