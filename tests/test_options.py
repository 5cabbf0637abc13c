import dataclasses
import math
from typing import Optional

import numpy as np
import pytest

from tf_scenes.config import Config, flag_defaults
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError
from tf_scenes.evaluation.options import EvaluationOptions
from tf_scenes.models.discrete_air.options import DiscreteAirOptions
from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.options import Options, option
from tf_scenes.training.options import TrainingOptions


@dataclasses.dataclass(frozen=True)
class Example(Options, section="example", affects_training=False):
    """A section with an option of each kind."""

    count: int = option(3, "A number.", lower=1, upper=9)
    share: float = option(0.5, "A share.", lower=0.0, upper=1.0)
    factor: float = option(1.0, "Any number.")
    word: str = option("red", "A word.", choices=("red", "blue"))
    switch: bool = option(True, "A switch.", affects_training=True)
    path: Optional[str] = option(None, "A path.")
    limit: Optional[int] = option(None, "A limit.", lower=0)

    def check(self) -> None:
        if self.count == 7 and self.word == "blue":
            raise UserError("--example.count=7 is never --example.word=blue")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("count", 0, "1.*9"),
        ("count", 10, "1.*9"),
        ("count", 2.5, "whole number"),
        ("count", "3", "whole number"),
        ("count", True, "whole number"),
        ("count", None, "whole number"),
        ("share", -0.1, "0.*1"),
        ("share", 1.1, "0.*1"),
        ("share", math.nan, "number"),
        ("share", "half", "number"),
        ("share", False, "number"),
        ("factor", math.nan, "number"),
        ("factor", math.inf, "number"),
        ("factor", np.float64("nan"), "number"),
        ("word", "green", "red, blue"),
        ("word", None, ""),
        ("switch", 1, ""),
        ("switch", None, ""),
        ("path", 3, ""),
        ("limit", -1, "0"),
        ("limit", 1.0, "whole number"),
        ("limit", 2**31, "at most 2,147,483,647"),
        ("limit", 10**30, "at most 2,147,483,647"),
        ("factor", -1e10, "from -1,000,000,000 to"),
    ],
)
def test_a_wrong_value_made_in_python_is_one_line_that_names_the_flag(name, value, allowed):
    with pytest.raises(UserError, match=rf"^--example\.{name}=.*must be.*{allowed}") as error:
        Example(**{name: value})
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=rf"--example\.{name}="):
        dataclasses.replace(Example(), **{name: value})


@pytest.mark.parametrize(
    "values",
    [
        *({"count": 1}, {"count": 9}, {"share": 0.0}, {"share": 1}, {"factor": -1e9}, {"word": "blue"}),
        *({"switch": False}, {"path": None}, {"path": "a"}, {"limit": 0}, {"limit": None}),
    ],
)
def test_values_up_to_the_ends_of_their_ranges_are_taken(values):
    example = Example(**values)
    assert {name: getattr(example, name) for name in values} == values


def test_combinations_are_checked_after_the_values():
    with pytest.raises(UserError, match=r"never --example\.word=blue"):
        Example(count=7, word="blue")
    Example(count=7)


def test_flags_have_the_section_before_the_name_and_say_what_training_depends_on():
    names = ["count", "share", "factor", "word", "switch", "path", "limit"]
    assert [name for name, _ in Example.flags()] == [f"example.{name}" for name in names]
    assert Example.flags_of_training() == {"example.switch"}


@pytest.mark.parametrize(
    ("make", "flag"),
    [
        (lambda: TrainingOptions(batch_size=0), "--batch_size=0"),
        (lambda: TrainingOptions(learning_rate=math.nan), "--learning_rate=nan"),
        (lambda: TrainingOptions(learning_rate_final=math.nan), "--learning_rate_final=nan"),
        (lambda: TrainingOptions(precision="float64"), "--precision=float64"),
        (lambda: DataOptions(min_objects=4), "--min_objects=4"),
        (lambda: DataOptions(image_channels=2), "--image_channels=2"),
        (lambda: DataOptions(image_channels=4), "--image_channels=4"),
        (lambda: DataOptions(dataset="images", images_path="a", crop_size=7), "--crop_size=7"),
        (lambda: DataOptions(crop_size=64), "--crop_size=64 is for --dataset=images"),
        (lambda: DataOptions(test_path="a"), "--test_path=a is for --dataset=images"),
        (lambda: DataOptions(dataset="images", images_path="a.npz", masks_path="b"), "--masks_path"),
        (lambda: EvaluationOptions(canvas_sizes="96,x"), "--canvas_sizes=96,x"),
        (lambda: LavaeOptions(count_threshold=math.nan), "--lavae.count_threshold=nan"),
        (lambda: LavaeOptions(strides=3), "--lavae.strides=3"),
        (lambda: DiscreteAirOptions(temperature_final=2.0), "--discrete_air.temperature_final"),
        (lambda: Config(model="gan"), "--model=gan"),
        (lambda: Config(model_options={"lavae": LavaeOptions(generated_size=20)}), "--lavae.generated_size=20"),
        (lambda: Config(data=DataOptions(max_objects=20)), "--max_inferred_objects"),
        (lambda: dataclasses.replace(Config(), evaluation=EvaluationOptions(max_inferred_objects=1)), "--max_objects"),
    ],
)
def test_what_is_made_in_python_is_checked_like_flags(make, flag):
    with pytest.raises(UserError, match=flag) as error:
        make()
    assert "\n" not in str(error.value)


def test_the_splits_to_evaluate_are_all_or_those_named():
    held_out = ["validation", "test"]
    assert EvaluationOptions().splits_among(held_out) == held_out
    assert EvaluationOptions(evaluated_splits="test, validation").splits_among(held_out) == ["test", "validation"]
    with pytest.raises(UserError, match=r"--evaluated_splits=test,test_7 names 'test_7'.* are validation, test$"):
        EvaluationOptions(evaluated_splits="test,test_7").splits_among(held_out)


def test_a_config_made_in_python_is_that_of_the_defaults_of_the_flags():
    assert Config().flag_values() == flag_defaults() | {"model": "lavae"}


def test_numbers_of_numpy_become_plain_ones():
    options = Example(count=np.int64(4), share=np.float32(0.25), factor=2)
    assert [(type(value), value) for value in (options.count, options.share, options.factor)] == [
        (int, 4),
        (float, 0.25),
        (float, 2.0),
    ]


@pytest.mark.parametrize("wrong", [{"image_size": 64}, DataOptions, TrainingOptions()])
def test_a_section_of_another_kind_is_refused(wrong):
    with pytest.raises(UserError, match="must be a DataOptions"):
        Config(data=wrong)
