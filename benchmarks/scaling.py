"""Estimates what several machines should gain: python benchmarks/scaling.py --flagfile=configs/lavae.cfg .

It times a training step at a worker's share of the global batch, and, between two processes over the loopback
interface, the all-reduce of the gradients and of one normalisation's statistics. The rest is arithmetic: a ring of n
workers sends each gradient 2 (n - 1) / n times, and every synchronised normalisation waits once forward and once
backward. `--gigabits` replaces the loopback's bandwidth, `--latency` its latency.
"""

import json
import os
import socket
import subprocess
import sys
import time

from absl import app, flags

from tf_scenes import config
from tf_scenes.app.endings import one_line_errors
from tf_scenes.errors import UserError
from tf_scenes.stack import keras

_WORKERS = (1, 2, 4, 8)
_REPEATS = 10
_GIGABITS = flags.DEFINE_float("gigabits", None, "Bandwidth between machines, Gbit/s; the loopback's by default.")
_LATENCY = flags.DEFINE_float(
    "latency", None, "Latency of a small all-reduce, milliseconds; the loopback's by default."
)
_SHAPES = "TF_SCENES_GRADIENT_SHAPES"


def main(arguments: list[str]) -> None:
    """Prints the table, in Markdown.

    Args:
        arguments: The command line without its flags.

    Raises:
        UserError: If there are any but the program's name.
    """
    if len(arguments) > 1:
        raise UserError(f"unknown argument '{arguments[1]}': only --flags are accepted")
    import tensorflow as tf

    from tf_scenes.app.build import build_model
    from tf_scenes.data.datasets import load_dataset

    settings = config.config_from_flags()
    dataset = load_dataset(settings.data, settings.job.seed)
    model = build_model(settings, dataset.image_shape)
    model.optimizer.iterations.assign(settings.training.train_steps)  # Past the warm-up.
    layers = [layer for layer in model.submodules if isinstance(layer, keras.layers.BatchNormalization)]
    # Those of the auxiliary network are not synchronised.
    local = getattr(model, "auxiliary_vae", tf.Module()).submodules
    waits = 2 * sum(layer not in local for layer in layers)
    whole = settings.training.batch_size
    step_seconds = {}
    for workers in (count for count in _WORKERS if whole % count == 0):
        batch = next(iter(dataset.training_batches(whole // workers, settings.job.seed)))
        step = tf.function(model.train_step)
        step(batch)
        start = time.perf_counter()
        for _ in range(_REPEATS):
            step(batch)
        step_seconds[workers] = (time.perf_counter() - start) / _REPEATS
    shapes = [variable.shape.as_list() for variable in model.trainable_variables]
    size = 4 * sum(variable.shape.num_elements() for variable in model.trainable_variables)

    measured = _all_reduce(shapes)
    latency = measured["small"] if _LATENCY.value is None else 1e-3 * _LATENCY.value
    gradients = measured["gradients"] if _GIGABITS.value is None else 8e-9 * size / _GIGABITS.value + latency
    print(f"Gradients: {len(shapes)} tensors, {size / 2**20:.1f} MB, all-reduced by two in {1e3 * gradients:.1f} ms")
    print(f"A normalisation's statistics: {1e3 * latency:.2f} ms, {waits} times a step\n")
    print("| workers | scenes each | step, ms | all-reduce, ms | scenes/s | speed-up | efficiency |")
    print("|---|---|---|---|---|---|---|")
    for workers, seconds in step_seconds.items():
        reducing = (workers > 1) * (gradients * 2 * (workers - 1) / workers + waits * latency)
        gain = step_seconds[1] / (seconds + reducing)
        print(
            f"| {workers} | {whole // workers} | {1e3 * seconds:.0f} | {1e3 * reducing:.0f} | "
            f"{whole / (seconds + reducing):.0f} | {gain:.2f} | {100 * gain / workers:.0f} % |"
        )


def _all_reduce(shapes: list[list[int]]) -> dict[str, float]:
    """Seconds that an all-reduce between two processes takes, of tensors of these shapes and of 64 numbers."""
    addresses = [f"localhost:{_free_port()}" for _ in range(2)]
    processes = []
    for index in range(2):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(cluster), _SHAPES: json.dumps(shapes)}
        processes.append(
            subprocess.Popen([sys.executable, __file__], env=environment, stdout=subprocess.PIPE, text=True)
        )
    outputs = [process.communicate()[0] for process in processes]
    return json.loads(outputs[0].splitlines()[-1])


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def _worker() -> None:
    """One of the two processes."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    gradients = [tf.zeros(shape) for shape in json.loads(os.environ[_SHAPES])]

    def seconds(tensors: list[tf.Tensor], times: int) -> float:
        def reduce_in_turn() -> list[tf.Tensor]:
            reduced = tensors
            for _ in range(times):
                reduced = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, reduced)
            return reduced

        run = tf.function(lambda: strategy.run(reduce_in_turn), autograph=False)
        run()
        start = time.perf_counter()
        for _ in range(_REPEATS):
            tf.nest.map_structure(lambda tensor: tensor.numpy(), run())
        return (time.perf_counter() - start) / _REPEATS / times

    print(json.dumps({"gradients": seconds(gradients, 1), "small": seconds([tf.zeros([64])], 20)}))


if __name__ == "__main__":
    if _SHAPES in os.environ:
        _worker()
    else:
        with one_line_errors():
            config.define_flags()
            app.run(main, flags_parser=config.parse_flags)
