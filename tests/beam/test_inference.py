"""The encoder within a pipeline: how often it is loaded, and what it is shown together."""

import numpy as np
import pytest

beam = pytest.importorskip("apache_beam", reason="Apache Beam is missing: pip install 'tf_scenes[beam]'")

from apache_beam.ml.inference.base import RunInference  # noqa: E402 - Beam is an extra.
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402

from tests.beam.collecting import collected  # noqa: E402
from tests.prediction.bright_spots import BrightSpots, picture  # noqa: E402
from tf_scenes.beam import inference  # noqa: E402
from tf_scenes.beam.pictures import ReadPage  # noqa: E402
from tf_scenes.prediction.objects import picture_objects  # noqa: E402
from tf_scenes.prediction.pages import Page  # noqa: E402

PIXELS = 10_000
LOADED = []


class Spots(BrightSpots):
    """Finds bright spots in several images, refusing all of them if it refuses one, as an encoder does."""

    def __init__(self, path, folder):
        super().__init__()
        self.batches = []
        LOADED.append(self)

    def segment(self, images):
        self.batches.append(images.shape)
        if images.min(axis=(1, 2, 3)).max() > 0.0:
            raise MemoryError
        one_by_one = [super(Spots, self).segment(image[None]) for image in images]
        return {name: np.concatenate([each[name] for each in one_by_one]) for name in one_by_one[0]}


@pytest.fixture
def handler(monkeypatch, tmp_path):
    LOADED.clear()
    monkeypatch.setattr(inference, "ExportedEncoder", Spots)
    monkeypatch.setattr(inference, "_PIXELS_TOGETHER", PIXELS)
    monkeypatch.setattr(inference, "_LEAST_PIXELS", 1)
    return lambda scale=1.0: inference.EncoderHandler(str(tmp_path), "encoder/1", scale)


def _squares(number, count, size):
    pixels = picture([(2, 5 * place, 6, 5 * place + 3) for place in range(count)], size)
    return ReadPage(f"folder/{number}.png", Page(f"{number}.png", str(number), pixels[..., None]))


def _segmented(reads, handler, *options):
    pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    found = collected(pipeline | beam.Create(reads) | RunInference(handler), "segmented")
    pipeline.run()
    return {page.file: (page, description, reason) for _, page, description, reason in found}


@pytest.mark.parametrize("threads", [1, 3])
def test_it_is_loaded_once_and_sees_images_of_one_size_together_in_bounded_memory(handler, threads):
    sizes = [(30, 40), (50, 60), (30, 41), (120, 130)]
    random = np.random.RandomState(0)
    reads = [_squares(number, random.randint(7), sizes[random.randint(4)]) for number in range(60)]
    options = ("--direct_running_mode=multi_threading", f"--direct_num_workers={threads}")
    found = _segmented(reads, handler(), *options)

    assert len(LOADED) == 1
    batches = LOADED[0].batches
    assert sum(count for count, *_ in batches) == len(reads)
    assert all(count * height * width <= PIXELS or count == 1 for count, height, width, _ in batches)
    if threads == 1:
        assert len(batches) < 55 and max(count for count, *_ in batches) >= 3
    for _, page in reads:
        _, description, reason = found[page.file]
        expected = picture_objects(BrightSpots().segment(page.picture[None] / 255.0), *page.picture.shape[:2])
        objects = picture_objects(description, *page.picture.shape[:2])
        np.testing.assert_array_equal(objects.labels, expected.labels)
        np.testing.assert_allclose(objects.fields["appearance_1"], expected.fields["appearance_1"])
        assert not reason


def test_an_image_that_cannot_be_used_takes_no_other_with_it(handler):
    reads = [_squares(number, number, (30, 40)) for number in range(5)]
    white = ReadPage("folder/white.png", Page("white.png", "white", np.full((30, 40, 1), 255, np.uint8)))
    large = _squares("large", 1, (30, 500))
    found = _segmented([*reads[:3], white, large, *reads[3:]], handler())
    assert [name for name, (_, description, _) in found.items() if description is None] == ["white.png", "large.png"]
    assert found["white.png"][2] == "folder/white.png, 30 x 40 pixels, is too large for this machine's memory"
    assert found["large.png"][2] == "folder/large.png, 30 x 500 pixels, cannot be used: at most 400 pixels a side"
    for number in range(5):
        assert found[f"{number}.png"][1]["num_objects"] == [number]


@pytest.mark.parametrize(("scale", "batch"), [(0.5, (8, 15, 20, 1)), (2.0, (2, 60, 80, 1))])
def test_pixels_are_those_before_or_after_resizing_whichever_are_more(handler, scale, batch):
    _segmented([_squares(number, 2, (30, 40)) for number in range(8)], handler(scale))
    assert LOADED[0].batches == [batch] * (8 // batch[0])


def test_small_images_count_for_more_than_their_pixels(handler, monkeypatch):
    monkeypatch.setattr(inference, "_LEAST_PIXELS", PIXELS // 3)
    _segmented([_squares(number, 2, (30, 40)) for number in range(9)], handler())
    assert LOADED[0].batches == [(3, 30, 40, 1)] * 3


def test_an_image_that_would_be_too_large_is_refused_before_it_is_made(handler):
    (found,) = _segmented([_squares("one", 1, (30, 700))], handler(100.0)).values()
    assert found[1] is None and "65,536 pixels" in found[2] and "30 x 700 pixels times 100" in found[2]
