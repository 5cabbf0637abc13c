"""Picture files in requests, decoded in the exported graph.

Their sizes are read from their first bytes before they are decoded, so that a small file cannot take much memory.
"""

from collections.abc import Sequence

import tensorflow as tf

from tf_scenes.serving import checks

_INPUT, _KINDS = "image_bytes", "PNG, JPEG, GIF or BMP files"
# TensorFlow's error messages show the name of the operation.
_MUST_BE = "image_bytes_must_be_PNG_JPEG_GIF_or_BMP_files"
# First bytes of each kind.
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM")
# Bytes that hold the sizes of all kinds but JPEG.
_HEAD = 32
# First byte of an extension in a GIF file.
_GIF_EXTENSION = 0x21
# Of the blocks of a GIF file that are looked at before or in its first picture, at 255 bytes each. More would take
# seconds, and would be a picture that is too large, or tiny blocks.
_MOST_BLOCKS = 2**16
# Red, green and blue in brightness, in 65,536ths: ITU-R BT.601, as Pillow has them. Grey stays as it is.
_BRIGHTNESS = (19_595, 38_470, 7_471)


def decoded_pictures(image_bytes: tf.Tensor, channels: int, largest_side: int) -> tf.Tensor:
    """Decodes picture files of one size. The request fails with a message if they are not such files.

    What is transparent is drawn over black. Of an animation the first picture is taken. Orientation by EXIF is ignored.

    Args:
        image_bytes: Contents of PNG, JPEG, GIF or BMP files, string `[batch]`.
        channels: Number of channels of the result: 1, grey, or 3, RGB.
        largest_side: Largest height and width allowed, in pixels.

    Returns:
        Pictures, uint8 `[batch, height, width, channels]`.
    """
    conditions = {"hold at least one image": tf.shape(image_bytes)[0] > 0}
    image_bytes = checks.checked(_INPUT, image_bytes, [None], conditions)
    sizes = tf.map_fn(_size, image_bytes, fn_output_signature=tf.TensorSpec([2], tf.int64))  # [batch, 2]
    conditions = {
        f"be {_KINDS}": tf.reduce_all(sizes >= 0),
        checks.words_on_sides(largest_side): checks.sides_are_allowed(sizes, largest_side),
        "hold images of one size": tf.reduce_all(sizes == sizes[:1]),
    }
    size = tf.cast(checks.checked(_INPUT, sizes, [None, 2], conditions)[0], tf.int32)
    with tf.control_dependencies([size]):
        image_bytes = tf.identity(image_bytes)
    spec = tf.TensorSpec([None, None, channels], tf.uint8)
    return tf.map_fn(lambda file: _picture(file, size, channels), image_bytes, fn_output_signature=spec)


def _kind(file: tf.Tensor) -> tf.Tensor:
    """Index of a file's kind in `_BEGINNINGS`, and their number if it is none of them; scalar int32."""
    is_kind = [tf.strings.substr(file, 0, len(beginning)) == beginning for beginning in _BEGINNINGS]
    return tf.argmax(tf.cast(tf.stack([*is_kind, True]), tf.int32), output_type=tf.int32)


def _size(file: tf.Tensor) -> tf.Tensor:
    """Height and width that a file says it has, int64 `[2]`; below 0 if it is of none of the kinds."""
    head = _head(file)

    def of_bmp() -> tf.Tensor:
        height = _number(head, range(25, 21, -1))  # Of 32 bits with a sign, which says where its rows begin.
        return tf.stack([tf.minimum(height, 2**32 - height), _number(head, range(21, 17, -1))])

    sizes = [
        lambda: tf.stack([_number(head, range(20, 24)), _number(head, range(16, 20))]),
        lambda: tf.cast(tf.io.extract_jpeg_shape(file, name=_MUST_BE)[:2], tf.int64),
        lambda: _size_of_gif(file, head),
        of_bmp,
        lambda: tf.constant([-1, -1], tf.int64),
    ]
    return tf.switch_case(_kind(file), sizes)


def _head(file: tf.Tensor) -> tf.Tensor:
    """The first bytes of a file, int64 `[_HEAD]`, and 0 beyond its end."""
    padded = tf.strings.join([tf.strings.substr(file, 0, _HEAD), b"\0" * _HEAD])
    return tf.cast(tf.io.decode_raw(tf.strings.substr(padded, 0, _HEAD), tf.uint8), tf.int64)


def _number(head: tf.Tensor, places: Sequence[int]) -> tf.Tensor:
    """A whole number without a sign from the bytes at some places, the highest first; scalar int64."""
    return tf.add_n([head[place] * 256**power for power, place in enumerate(reversed(places))])


def _picture(file: tf.Tensor, size: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes a file that says it has a size: uint8 `[height, width, channels]`."""
    decoders = [
        lambda: _decoded_png(file),
        lambda: tf.cast(tf.io.decode_jpeg(file, channels=3, name=_MUST_BE), tf.int32),
        lambda: _decoded_gif(file),
        lambda: _decoded_bmp(file),
    ]
    values = tf.switch_case(_kind(file), decoders)  # [height, width, 3 or 4]
    conditions = {"have the size that they say they have": tf.reduce_all(tf.shape(values)[:2] == size)}
    values = checks.checked(_INPUT, values, [None, None, None], conditions)
    colors, opacity = values[..., :3], values[..., 3:]
    rgb = tf.cond(tf.shape(values)[2] > 3, lambda: (2 * colors * opacity + 255) // 510, lambda: colors)
    rgb = tf.ensure_shape(rgb, [None, None, 3])
    if channels == 1:
        rgb = (tf.reduce_sum(rgb * _BRIGHTNESS, axis=-1, keepdims=True) + 32_768) // 65_536
    return tf.cast(rgb, tf.uint8)


def _decoded_png(file: tf.Tensor) -> tf.Tensor:
    """Decodes a PNG file: int32 `[height, width, 4]`."""
    values = tf.cast(tf.io.decode_png(file, channels=4, name=_MUST_BE), tf.int32)
    colors, opacity = values[..., :3], values[..., 3:]
    # Where a file has no opacity, TensorFlow gives it the largest number of its bits, also if these are fewer than 8.
    largest = 2 ** tf.cast(_head(file)[24], tf.int32) - 1
    opacity = tf.cond(tf.reduce_all(opacity == largest), lambda: tf.fill(tf.shape(opacity), 255), lambda: opacity)
    return tf.concat([colors, opacity], axis=-1)


def _decoded_gif(file: tf.Tensor) -> tf.Tensor:
    """Decodes the first picture of a GIF file: int32 `[height, width, 3]`."""
    values = _with_end(file)
    data = _after_colors(values, _first_picture(values) + 9, others=0) + 1  # After the size of the codes.
    # TensorFlow decodes all pictures of a file, whichever it is asked for.
    first_alone = tf.strings.join([tf.strings.substr(file, 0, _after_blocks(values, data)), b";"])
    picture = tf.io.decode_image(first_alone, channels=3, expand_animations=False, name=_MUST_BE)
    return tf.cast(picture, tf.int32)


def _size_of_gif(file: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    """Height and width of a GIF file's canvas, or of its first picture where that is larger; int64 `[2]`."""
    values = _with_end(file)
    place = _first_picture(values)
    picture = [_byte(values, place + offset) for offset in (5, 6, 7, 8)]
    width, height = (picture[low] + 256 * picture[low + 1] for low in (0, 2))
    canvas = tf.stack([_number(head, (9, 8)), _number(head, (7, 6))])
    return tf.maximum(canvas, tf.cast(tf.stack([height, width]), tf.int64))


def _with_end(file: tf.Tensor) -> tf.Tensor:
    """The bytes of a file and zeros, int32 `[bytes]`."""
    return tf.cast(tf.io.decode_raw(tf.strings.join([file, b"\0" * _HEAD]), tf.uint8), tf.int32)


def _first_picture(values: tf.Tensor) -> tf.Tensor:
    """Place of the descriptor of a GIF file's first picture: after its colours and the extensions before it."""

    def step(place: tf.Tensor, in_blocks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = _byte(values, place)
        return place + tf.where(in_blocks, 1 + size, 2), tf.logical_not(in_blocks) | (size > 0)

    return tf.while_loop(
        lambda place, in_blocks: in_blocks | (_byte(values, place) == _GIF_EXTENSION),
        step,
        [_after_colors(values, tf.constant(10), others=2), tf.constant(False)],
        maximum_iterations=_MOST_BLOCKS,
    )[0]


def _after_colors(values: tf.Tensor, place: tf.Tensor, others: int) -> tf.Tensor:
    """The place after a table of colours, if there is one.

    Args:
        values: The bytes of a GIF file.
        place: The place of the byte that says how large the table is.
        others: Number of other bytes before the table.
    """
    flags = _byte(values, place)
    return place + 1 + others + tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _after_blocks(values: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """The place after a chain of blocks, each of which begins with its size, until one of size 0."""
    last = tf.while_loop(
        lambda place: _byte(values, place) > 0,
        lambda place: (place + 1 + _byte(values, place),),
        [place],
        maximum_iterations=_MOST_BLOCKS,
    )[0]
    return last + 1


def _byte(values: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """The byte at a place, 0 beyond the end."""
    return values[tf.minimum(place, tf.shape(values)[0] - 1)]


def _decoded_bmp(file: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP file of 8 bits with shades of grey, or of 24 or 32 bits: int32 `[height, width, 3]`."""
    head = _head(file)
    bits, start = _number(head, (29, 28)), _number(head, range(13, 9, -1))
    conditions = {
        "hold BMP files of 8, 24 or 32 bits": tf.reduce_any(bits == tf.constant([8, 24, 32], tf.int64)),
        "hold BMP files with pixels where their headers say": start < tf.cast(tf.strings.length(file), tf.int64),
    }
    file = checks.checked(_INPUT, file, [], conditions)
    # Of 32 bits the last 8 are mostly not in use, and no opacity.
    values = tf.cast(tf.io.decode_bmp(file, name=_MUST_BE), tf.int32)[..., :3]

    def as_rgb() -> tf.Tensor:
        conditions = {"hold no BMP files with a palette of colours": _has_grey_palette(file)}
        return tf.repeat(checks.checked(_INPUT, values, [None, None, None], conditions), 3, axis=-1)

    return tf.cond(tf.shape(values)[2] == 1, as_rgb, lambda: values)


def _has_grey_palette(file: tf.Tensor) -> tf.Tensor:
    """Whether colour i of a BMP file's palette is the grey of brightness i; scalar bool."""
    head = _head(file)
    first, end = 14 + _number(head, range(17, 13, -1)), _number(head, range(13, 9, -1))
    colors = (end - first) // 4
    length = tf.cast(tf.strings.length(file), tf.int64)
    inside = (colors >= 1) & (colors <= 256) & (first + 4 * colors <= length)

    def is_grey() -> tf.Tensor:
        palette = tf.io.decode_raw(tf.strings.substr(file, first, 4 * colors), tf.uint8)
        entries = tf.cast(tf.reshape(palette, [-1, 4]), tf.int64)[:, :3]  # [colours, 3]
        return tf.reduce_all(entries == tf.range(colors)[:, tf.newaxis])

    return tf.cond(inside, is_grey, lambda: tf.constant(False))
