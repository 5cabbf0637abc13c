"""Distribution of training: over one device, several devices of one machine, or several machines."""

import contextlib
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator

import tensorflow as tf

from tf_scenes.errors import UserError

_CLUSTER_EXAMPLE = (
    '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}, '
    "with a different index on each machine"
)
_ADDRESS = re.compile(r"([^\s:]+|\[[^\s\]]+\]):\d{1,5}")


def make_strategy(name: str, batch_size: int) -> tf.distribute.Strategy:
    """Creates the strategy that `--strategy` names; `multi_worker` waits for the other workers.

    Args:
        name: One of `default`, `mirrored` and `multi_worker`.
        batch_size: Number of images in the global batch, that of all devices together.

    Raises:
        UserError: If `mirrored` finds only one device, `TF_CONFIG` does not describe a cluster, or the batch size is
            not a multiple of the number of devices.
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
                "--strategy=mirrored needs several devices, but TensorFlow sees only one: use --strategy=default"
            )
        return tf.distribute.MirroredStrategy(devices)
    if name == "multi_worker":
        return _make_multi_worker(os.environ.get("TF_CONFIG", ""))
    return tf.distribute.get_strategy()


def _make_multi_worker(text: str) -> tf.distribute.Strategy:
    """The strategy for the cluster that `TF_CONFIG` describes; a cluster of one worker is a machine like any other."""
    processes = _processes(text)
    if processes == 1:
        devices = tf.config.list_logical_devices("GPU")
        return tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else tf.distribute.get_strategy()
    _require_own_address(text)
    print(f"Waiting for all {processes} workers in TF_CONFIG ...", flush=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise UserError(
            f"this worker cannot listen at its address in TF_CONFIG ({str(error).splitlines()[0]}): its port may be "
            f"taken, or the address be another machine's; TF_CONFIG is {text[:200]!r}"
        ) from error


def _require_own_address(text: str) -> None:
    """Checks that this process can listen at its own address, before TensorFlow waits for the others.

    Raises:
        UserError: If it cannot.
    """
    described = json.loads(text)
    address = described["cluster"][described["task"]["type"]][described["task"]["index"]]
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
    except (OSError, UnicodeError) as error:  # Not every text can be a host's name.
        reason = getattr(error, "strerror", None) or "no name of a host"
        raise UserError(
            f"this worker cannot listen at its address in TF_CONFIG, {address!r} ({reason}): its port may be "
            "taken, or the address be another machine's"
        ) from error


def _processes(text: str) -> int:
    """The number of processes in the cluster that a text describes.

    Raises:
        UserError: If it describes no cluster, or no process in it.
    """
    try:
        described = json.loads(text)
        cluster, task = described["cluster"], described["task"]
        addresses = [address for addresses in cluster.values() for address in _addresses(addresses)]
        index, own = task["index"], _addresses(cluster[task["type"]])
        valid = {"worker"} <= set(cluster) <= {"chief", "worker"} and type(index) is int and 0 <= index < len(own)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        valid, addresses = False, []
    if not valid or len(set(addresses)) < len(addresses):
        raise UserError(
            f"--strategy=multi_worker needs the environment variable TF_CONFIG={_CLUSTER_EXAMPLE}; got {text[:200]!r}"
        )
    return len(addresses)


def _addresses(listed: object) -> list[str]:
    """The addresses in a list of `host:port`.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(listed, list) or not listed:
        raise ValueError("no list of addresses")
    for each in listed:
        if not (isinstance(each, str) and _ADDRESS.fullmatch(each) and 0 < int(each.rpartition(":")[2]) < 2**16):
            raise ValueError("an address is host:port")
    return listed


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the run's results; exactly one process of a cluster does."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def checkpoint_folder(strategy: tf.distribute.Strategy, folder: str) -> str:
    """The folder to which this process writes checkpoints.

    All processes must take part in writing a checkpoint, but only the chief's is kept.

    Args:
        strategy: Distribution strategy of the run.
        folder: Folder of the chief's checkpoints.
    """
    if is_chief(strategy):
        return folder
    resolver = strategy.cluster_resolver
    return os.path.join(folder, f"{resolver.task_type}_{resolver.task_id}")


def remove_own_checkpoints(strategy: tf.distribute.Strategy, folder: str) -> None:
    """Removes the checkpoints that a worker other than the chief had to write; `folder` is the chief's."""
    if not is_chief(strategy):
        shutil.rmtree(checkpoint_folder(strategy, folder), ignore_errors=True)


def distribute(
    strategy: tf.distribute.Strategy, batches: Callable[[int, int, int], tf.data.Dataset]
) -> tf.data.Dataset:
    """Training batches for `fit`, of which each worker produces only its own share.

    Args:
        strategy: Distribution strategy of the run.
        batches: Function from a worker's index, the number of workers and the number of devices of each to that
            worker's data set, whose batches are one device's share of the global batch.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches(0, 1, 1)

    def worker_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers = context.num_input_pipelines
        return batches(context.input_pipeline_id, workers, context.num_replicas_in_sync // workers)

    return strategy.distribute_datasets_from_function(worker_batches)


def require_same_step(strategy: tf.distribute.Strategy, step: int) -> None:
    """Checks that all workers resume training from the same step.

    Args:
        strategy: Distribution strategy of the run.
        step: Number of steps that this worker's checkpoint has taken.

    Raises:
        UserError: If they do not.
    """
    if strategy.num_replicas_in_sync == 1:
        return
    steps = strategy.gather(strategy.run(lambda: tf.constant([step])), axis=0).numpy()
    if len(set(steps)) > 1:
        raise UserError(
            f"workers found checkpoints of different steps ({', '.join(map(str, sorted(set(steps))))}): --run_dir must "
            "be a folder that all workers share"
        )


def shared_by_batches(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A data set for evaluation, with the option that makes workers share its batches between them."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


@contextlib.contextmanager
def lost_worker_as_user_error() -> Iterator[None]:
    """Turns the errors that TensorFlow raises when another worker is lost into a `UserError` that says what to do."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"another worker was lost ({reason}): start all workers again with the same flags to resume training from "
            "the last checkpoint"
        ) from error
