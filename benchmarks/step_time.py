"""Where a LAVAE training step's time goes, beside a large matrix product: python benchmarks/step_time.py --flagfile=...

Every part is timed forward and backward inside one `tf.function`, all in one run. The parts run alone, so that their
sum can differ from the whole step, in which TensorFlow runs independent parts side by side.
"""

import time
from typing import Any, Callable

from absl import app, flags

from tf_scenes import config

_REPEATS = flags.DEFINE_integer("repeats", 5, "Timed calls of each part, after one that is not.", lower_bound=1)
_MATRIX = 4096


def main(_: list[str]) -> None:
    """Prints the table."""
    import tensorflow as tf

    from tf_scenes.layers.auxiliary_vae import location_target
    from tf_scenes.layers.placing import convolve_sprites
    from tf_scenes.training import build

    settings = config.config_from_flags()
    dataset = build.build_dataset(settings)
    model = build.build_model(settings, dataset.image_shape)
    batches = iter(dataset.training_batches(settings.train.batch_size, settings.job.seed))
    batch = next(batches)
    images = batch["images"]
    size, slots = images.shape[0], settings.data.max_objects
    height, width, channels = dataset.image_shape
    side = settings.lavae.generated_size

    def gradients_of(function: Callable[..., tf.Tensor], variables: list[tf.Variable]) -> Callable[..., Any]:
        def both_ways(*inputs: tf.Tensor) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = tf.reduce_sum(tf.square(function(*inputs)))
            return tape.gradient(value, [*inputs, *variables], unconnected_gradients="zero")

        return both_ways

    maps = tf.nn.softmax(tf.random.stateless_normal([size, slots, height * width], [0, 1]))
    maps = tf.reshape(maps, [size, slots, height, width])
    sprites = tf.random.stateless_uniform([size, slots, side, side, channels], [0, 2])
    appearance = tf.random.stateless_normal([size * slots, settings.lavae.latent_dim], [0, 3])
    location, appear, generator = model.location_network, model.appearance_network, model.sprite_generator
    auxiliary = model.auxiliary_vae
    parts = {
        "location network": (gradients_of(lambda x: location(x, training=True), location.trainable_variables), images),
        "appearance network": (
            gradients_of(lambda x: appear(x, training=True), appear.trainable_variables[:-2]),
            images,
        ),
        "sprite generator": (
            gradients_of(lambda z: generator(z, training=True), generator.trainable_variables),
            appearance,
        ),
        "placing sprites": (gradients_of(convolve_sprites, []), maps, sprites),
        "auxiliary VAE (warm-up)": (
            gradients_of(lambda x: auxiliary(x, seed=[0, 0], training=True)[0], auxiliary.trainable_variables),
            images,
        ),
        "its location target": (lambda: location_target(tf.ones([size, 16, 16]), height, width, 4.5),),
    }
    product = tf.function(lambda matrix: matrix @ matrix)
    rate = 2 * _MATRIX**3 / _seconds(product, tf.random.stateless_normal([_MATRIX, _MATRIX], [0, 4])) / 1e9
    print(f"{'matrix product':28}{rate:10.0f} GFLOP/s")

    step = tf.function(model.train_step)
    whole_in_warm_up = _seconds(step, batch)
    for optimizer in model.optimizers.values():
        optimizer.iterations.assign(settings.train.train_steps)  # Past the warm-up.
    whole = _seconds(step, batch)
    operations = _float_operations(step.get_concrete_function(batch))
    print(
        f"{'step after the warm-up':28}{1e3 * whole:10.1f} ms {operations / whole / 1e9:8.0f} GFLOP/s in convolutions"
    )
    print(f"{'step in the warm-up':28}{1e3 * whole_in_warm_up:10.1f} ms")
    for name, (function, *inputs) in parts.items():
        seconds = _seconds(tf.function(function), *inputs)
        print(f"{'  ' + name:28}{1e3 * seconds:10.1f} ms {100 * seconds / whole:7.0f} %")
    seconds = _seconds(lambda: next(batches))
    print(f"{'  data (beside the step)':28}{1e3 * seconds:10.1f} ms {100 * seconds / whole:7.1f} %")


def _seconds(function: Callable[..., Any], *inputs: Any) -> float:
    function(*inputs)
    start = time.perf_counter()
    for _ in range(_REPEATS.value):
        function(*inputs)
    return (time.perf_counter() - start) / _REPEATS.value


def _float_operations(function: Any) -> int:
    """Multiplications and additions of all convolutions and matrix products in a graph, forward and backward."""
    total = 0
    for operation in function.graph.get_operations():
        if operation.type == "Conv2D":
            output, kernel = operation.outputs[0].shape, operation.inputs[1].shape
            if output.is_fully_defined() and kernel.is_fully_defined():
                # Backward costs twice as much as forward: once for the inputs and once for the kernel.
                total += 3 * 2 * output.num_elements() * kernel[:3].num_elements()
    return total


if __name__ == "__main__":
    config.define_flags()
    app.run(main)
