import numpy as np
import pytest

from tf_scenes.data.image_dataset import ImageDataset
from tf_scenes.errors import UserError


def _own_images(count=400):
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (count, 10, 12, 3)).astype(np.uint8)
    images[count // 2 :] = images[: count - count // 2]  # Each image twice.
    return images


def test_own_images_are_split_without_overlap(tmp_path):
    path = str(tmp_path / "images.npz")
    images = _own_images()
    np.savez(path, images=images, counts=np.arange(400) % 5)
    dataset = ImageDataset(path)
    train, test = (
        {image.tobytes() for image in dataset.examples(split, range(split.size))["images"]}
        for split in (dataset.splits["train"], dataset.splits["test"])
    )
    assert not train & test
    assert train | test == {image.tobytes() for image in images}
    assert 0.04 < len(test) / 200 < 0.2
    batch = next(iter(dataset.evaluation_batches("test", 6)))
    assert batch["images"].shape == (6, 10, 12, 3)
    where = [np.flatnonzero((images == np.round(image * 255)).all(axis=(1, 2, 3))) for image in batch["images"]]
    assert all(count in np.arange(400)[found] % 5 for count, found in zip(batch["counts"].numpy(), where))


def test_own_grey_float_images_without_counts(tmp_path):
    path = str(tmp_path / "images.npz")
    np.savez(path, images=_own_images()[..., 0] / np.float32(255))
    dataset = ImageDataset(path)
    assert dataset.image_shape == (10, 12, 1)
    assert set(next(iter(dataset.evaluation_batches("test", 6)))) == {"images"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((3, 4, 4))}, "no array 'images'; it holds pictures"),
        ({"images": np.array(["a", None], dtype=object)}, "without pickles"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "N x H x W"),
        ({"images": np.zeros((4, 4), np.uint8)}, "N x H x W"),
        ({"images": np.full((3, 4, 4), -0.5)}, r"lie in \[-0.5, -0.5\]"),
        ({"images": _own_images(), "counts": np.ones(3, int)}, "400 whole numbers"),
        ({"images": _own_images(4)}, "needs more different images"),
    ],
)
def test_bad_own_images_are_one_clear_line(tmp_path, arrays, message):
    path = str(tmp_path / "images.npz")
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message) as error:
        ImageDataset(path)
    assert "\n" not in str(error.value)
