"""Where training runs: on one device, on several of one machine, or on several machines."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator

import tensorflow as tf

from tf_scenes.errors import UserError

_CLUSTER = (
    '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}, '
    "with another index on each machine"
)


def make_strategy(name: str, batch_size: int) -> tf.distribute.Strategy:
    """The strategy that `--strategy` names; `multi_worker` waits for the other workers.

    Args:
        name: `default`, `mirrored` or `multi_worker`.
        batch_size: of all devices together.

    Raises:
        UserError: there are not several devices, `TF_CONFIG` does not describe a cluster, or the batch cannot be
            shared by so many devices.
    """
    strategy = _make(name)
    devices = strategy.num_replicas_in_sync
    if batch_size % devices:
        raise UserError(f"--batch_size={batch_size} must be a multiple of the number of devices, {devices}")
    return strategy


def _make(name: str) -> tf.distribute.Strategy:
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) < 2:
            raise UserError(
                "--strategy=mirrored needs several devices, and TensorFlow sees one: use --strategy=default"
            )
        return tf.distribute.MirroredStrategy(devices)
    if name == "multi_worker":
        _check_cluster(os.environ.get("TF_CONFIG", ""))
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def _check_cluster(text: str) -> None:
    try:
        described = json.loads(text)
        workers, task = described["cluster"]["worker"], described["task"]
        known = {"chief", "worker"} >= set(described["cluster"])
        good = known and workers and task["index"] < len(described["cluster"][task["type"]])
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise UserError(f"--strategy=multi_worker needs the environment variable TF_CONFIG={_CLUSTER}; it is '{text}'")


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what a run leaves; exactly one of a cluster does."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def checkpoint_folder(strategy: tf.distribute.Strategy, folder: str) -> str:
    """Where this process writes checkpoints: all must take part in writing one, and the chief's is the one that stays.

    Args:
        strategy: of the run.
        folder: the chief's.
    """
    if is_chief(strategy):
        return folder
    resolver = strategy.cluster_resolver
    return os.path.join(folder, f"{resolver.task_type}_{resolver.task_id}")


def remove_own_checkpoints(strategy: tf.distribute.Strategy, folder: str) -> None:
    """Removes what a worker that is not the chief had to write; `folder` is the chief's."""
    if not is_chief(strategy):
        shutil.rmtree(checkpoint_folder(strategy, folder), ignore_errors=True)


def distribute(
    strategy: tf.distribute.Strategy, batches: Callable[[int, int, int], tf.data.Dataset]
) -> tf.data.Dataset:
    """Training batches for `fit`, of which each worker makes its own share and no other.

    Args:
        strategy: of the run.
        batches: (worker, workers, devices of each) to that worker's data set, whose batches are one device's share of
            the global batch.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches(0, 1, 1)

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers = context.num_input_pipelines
        return batches(context.input_pipeline_id, workers, context.num_replicas_in_sync // workers)

    return strategy.distribute_datasets_from_function(of_worker)


def require_same_step(strategy: tf.distribute.Strategy, step: int) -> None:
    """Makes sure that all workers go on from the same step.

    Raises:
        UserError: they do not.
    """
    if strategy.num_replicas_in_sync == 1:
        return
    steps = strategy.gather(strategy.run(lambda: tf.constant([step])), axis=0).numpy()
    if len(set(steps)) > 1:
        raise UserError(
            f"workers found checkpoints of different steps ({', '.join(map(str, sorted(set(steps))))}): --run_dir must "
            "be one folder that all of them see"
        )


def shared_by_batches(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A data set for evaluation whose batches the workers take in turns."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


@contextlib.contextmanager
def lost_worker_as_user_error() -> Iterator[None]:
    """Turns the errors that TensorFlow raises when another worker is gone into a line that says what to do."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"another worker was lost ({reason}): start all of them again with the same flags, and training goes on "
            "from the last checkpoint"
        ) from error
