"""Loads an exported encoder and decoder with plain TensorFlow and runs both: python tools/check_export.py FOLDER."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from tf_scenes.serving.versions import PARTS, newest


def main(folder: str) -> None:
    """Encodes and decodes noise of two sizes, and prints what the encoder returns, masks included if it has them."""
    paths = [newest(os.path.join(folder, part)) for part in PARTS]
    if None in paths:
        sys.exit(f"Error: {folder} holds no exported model: a folder with encoder/1/ and decoder/1/ is needed")
    encoder, decoder = (tf.saved_model.load(path) for path in paths)
    encode, decode = encoder.signatures["serving_default"], decoder.signatures["resized"]
    if "presence" in encode.structured_outputs and "segmented" not in encoder.signatures:
        sys.exit(f"Error: {folder} was exported without the signature 'segmented': export it again (--mode=export)")
    encode = encoder.signatures.get("segmented", encode)
    channels = encode.structured_input_signature[1]["images"].shape[-1]
    wanted = decode.structured_input_signature[1].keys() - {"image_size"}
    for side in (48, 71):
        description = encode(images=tf.random.stateless_uniform([3, side, side, channels], [0, side]))
        print({name: (value.dtype.name, value.shape.as_list()) for name, value in description.items()})
        inputs = {name: description[name] for name in wanted}
        masks = description.get("masks", tf.zeros([3, side, side], tf.int32))
        slots = description["presence"].shape[1] if "presence" in description else 0
        if masks.shape != (3, side, side) or not bool(tf.reduce_all((masks >= 0) & (masks <= slots))):
            sys.exit(f"Error: the encoder gave masks of shape {masks.shape} or values outside 0 to {slots}")
        images = decode(**inputs, image_size=tf.fill([3, 2], side))["images"]
        if images.shape[:3] != (3, side, side) or not bool(tf.reduce_all((images >= 0.0) & (images <= 1.0))):
            sys.exit(f"Error: the decoder gave {images.shape} or values outside [0, 1]")
    print(f"Reloaded {folder}: encoder and decoder work.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python tools/check_export.py FOLDER")
    main(sys.argv[1])
