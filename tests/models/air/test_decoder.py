import tensorflow as tf

from tf_scenes.models.air.decoder import ObjectDecoder


def test_objects_begin_as_blobs():
    image = ObjectDecoder(9, 1)(tf.zeros([1, 2]))[0, ..., 0].numpy()
    assert image[4, 4] > 0.6 and image[0, 0] < 0.05
