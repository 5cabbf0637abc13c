"""One implementation of AIR, which trains for as many steps as it is told to, and says how long they took.

`benchmarks/peers.py` starts it, in the environment that the implementation needs. It reads numbers of steps from
standard input, a line each, and answers each line by `seconds` and the median seconds of a step.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Callable

import numpy as np

# The sizes of both peers' examples: at most three objects, dense networks of 200 units, glimpses of 28 x 28 pixels.
MAX_OBJECTS, BATCH, UNITS, LSTM_UNITS, GLIMPSE, APPEARANCE = 3, 64, 200, 256, 28, 50
_WARM_UP_STEPS = 5


def tf_scenes(images: np.ndarray, code: str, flags: list[str]) -> Callable[[], object]:
    """A step of this project's AIR.

    Args:
        images: uint8 `[images, 50, 50, 1]`.
        code: This repository.
        flags: Further flags of `main.py`.

    Returns:
        What makes a step.
    """
    sys.path.insert(0, code)
    import tensorflow as tf

    from tf_scenes.app.build import build_model
    from tf_scenes.config import config_of

    config = config_of([f"--flagfile={os.path.join(code, 'configs', 'air_multi_mnist.cfg')}", *flags])
    model = build_model(config, images.shape[1:])
    batch = {"images": tf.constant(images[:BATCH])}
    step = tf.function(model.train_step)
    return lambda: step(batch)["loss"].numpy()


def pyro(images: np.ndarray, code: str, flags: list[str]) -> Callable[[], object]:
    """A step of Pyro's example, with the options that its tutorial recommends. Arguments as in `tf_scenes`."""
    del flags
    sys.path.insert(0, code)
    import torch
    from air import AIR
    from pyro.infer import SVI, TraceGraph_ELBO
    from pyro.optim import Adam

    model = AIR(
        num_steps=MAX_OBJECTS,
        x_size=images.shape[1],
        window_size=GLIMPSE,
        z_what_size=APPEARANCE,
        rnn_hidden_size=LSTM_UNITS,
        encoder_net=[UNITS],
        decoder_net=[UNITS],
        predict_net=[UNITS],
        bl_predict_net=[UNITS],
        decoder_output_bias=-2.0,
        decoder_output_use_sigmoid=True,
        scale_prior_sd=0.2,
    )
    optimizer = Adam(lambda name: {"lr": 1e-1 if "bl_" in name else 1e-4})
    inference = SVI(model.model, model.guide, optimizer, loss=TraceGraph_ELBO())
    batch = torch.from_numpy(images[:BATCH, :, :, 0].astype(np.float32) / 255.0)
    return lambda: inference.step(batch, batch_size=BATCH, z_pres_prior_p=lambda number: 0.01)


def attend_infer_repeat_pytorch(images: np.ndarray, code: str, flags: list[str]) -> Callable[[], object]:
    """A step of addtt/attend-infer-repeat-pytorch with its defaults. Arguments as in `tf_scenes`."""
    del flags
    sys.path.insert(0, code)
    import types

    import torch
    from experiments import AIRExperiment
    from models.air import AIR

    model = AIR(
        img_size=images.shape[1],
        object_size=GLIMPSE,
        max_steps=MAX_OBJECTS,
        color_channels=1,
        likelihood="original",
        z_what_dim=APPEARANCE,
        lstm_hidden_dim=LSTM_UNITS,
        baseline_hidden_dim=LSTM_UNITS,
        encoder_hidden_dim=UNITS,
        decoder_hidden_dim=UNITS,
    )
    # Its loss is a method of the experiment, of which it uses no more than this.
    experiment = types.SimpleNamespace(model=model, device=torch.device("cpu"))
    optimizer = torch.optim.Adam(
        [{"params": model.air_params(), "lr": 1e-4}, {"params": model.baseline_params(), "lr": 1e-1}]
    )
    batch = torch.from_numpy(images[:BATCH].transpose(0, 3, 1, 2).astype(np.float32) / 255.0)

    def step() -> float:
        optimizer.zero_grad()
        loss = AIRExperiment.forward_pass(experiment, batch)["loss"]
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


IMPLEMENTATIONS = {each.__name__: each for each in (tf_scenes, pyro, attend_infer_repeat_pytorch)}


def main() -> None:
    """Prepares the implementation, says that it is ready, and then answers requests until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--implementation", required=True, choices=IMPLEMENTATIONS, help="whose step")
    parser.add_argument("--code", required=True, help="folder of its code")
    parser.add_argument("--images", required=True, help=".npy file of uint8 images")
    parser.add_argument("flags", nargs="*", help="further flags of tf_scenes")
    arguments = parser.parse_args()
    step = IMPLEMENTATIONS[arguments.implementation](np.load(arguments.images), arguments.code, arguments.flags)
    for _ in range(_WARM_UP_STEPS):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        print(f"seconds {statistics.median(times)}", flush=True)


if __name__ == "__main__":
    main()
