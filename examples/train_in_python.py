"""Trains LAVAE in Python, and draws what it sees: python examples/train_in_python.py [STEPS].

The 7,000 steps of its recipe take about 20 minutes on two idle cores. `main.py` does the same, with checkpoints,
TensorBoard, evaluation and export.
"""

import sys

import matplotlib.pyplot as plt

import tf_scenes

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 7000

# Flags, as on the command line; in place of them, tf_scenes.Config(model="lavae", data=tf_scenes.DataOptions(...)).
config = tf_scenes.config_of(["--flagfile=configs/lavae.cfg", "--seed=0", f"--train_steps={steps}"])
seed, batch_size = config.job.seed, config.training.batch_size

# Scenes are drawn when they are needed: images, and for held-out scenes what is in them.
scenes = tf_scenes.load_dataset(config.data, seed)
training, validation = scenes.training_batches(batch_size, seed), scenes.evaluation_batches("validation", 64, 512)

# A Keras model, compiled with the optimisers of the recipe; compile it again to use others.
model = tf_scenes.build_model(config, scenes.image_shape)
# Epochs of up to 500 steps, as many as are needed.
model.fit(training, steps_per_epoch=min(steps, 500), epochs=-(-steps // 500), validation_data=validation)
model.calibrate(batch["images"] for batch in training.take(125))  # The threshold of counts, without labels.

images = next(iter(scenes.evaluation_batches("test_7", 8)))["images"]
description = model.encode(images)  # num_objects, presence, locations, appearance
drawn = model.decode(description, *scenes.image_shape[:2])

_, axes = plt.subplots(2, len(images), figsize=(12, 3.5))
for column, (image, picture, count) in enumerate(zip(images, drawn, description["num_objects"])):
    axes[0, column].imshow(image)
    axes[0, column].set_title(f"{int(count)} objects")
    axes[1, column].imshow(picture)
for each in axes.flat:
    each.axis("off")
plt.savefig("scenes.png", bbox_inches="tight")
print("Images above, what the model makes of them below: scenes.png")
