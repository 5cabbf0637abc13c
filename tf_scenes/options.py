"""What options are made of; free of TensorFlow, so that `--help` takes no time.

An option stands once, as a field of a frozen dataclass: its type, its default, the values allowed and its help text.
Flags are derived from the fields, and values are checked whether they come from flags or from Python.
"""

import dataclasses
import math
import typing
from collections.abc import Iterator
from typing import Any, ClassVar, Optional, Union

from tf_scenes.errors import UserError


def option(
    default: Any,
    help_text: str,
    lower: Optional[float] = None,
    upper: Optional[float] = None,
    choices: Optional[tuple[str, ...]] = None,
    affects_training: Optional[bool] = None,
) -> Any:
    """A dataclass field with what its flag needs.

    Args:
        default: value of the option where none is given.
        help_text: what the option is, with its unit and, where it has one, the paper's value.
        lower: smallest value allowed.
        upper: largest value allowed.
        choices: the only values allowed.
        affects_training: whether what is learned depends on the option; as the section says by default.
    """
    metadata = {
        "help": help_text,
        "lower": lower,
        "upper": upper,
        "choices": choices,
        "affects_training": affects_training,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of every section of options: a frozen dataclass whose fields are made by `option`.

    `class LavaeOptions(Options, section="lavae")` has the flags `--lavae.latent_dim` and so on.

    Attributes:
        section: prefix of the flags; empty for sections that every model has.
        affects_training: whether what is learned depends on these options, unless a field says otherwise.

    Raises:
        UserError: on creation, a value is not allowed, or two of them do not go together.
    """

    section: ClassVar[str] = ""
    affects_training: ClassVar[bool] = True

    def __init_subclass__(cls, section: str = "", affects_training: bool = True) -> None:
        """Sets what all instances have in common."""
        super().__init_subclass__()
        cls.section = section
        cls.affects_training = affects_training

    def __post_init__(self) -> None:
        """Checks every value, then what the section says of combinations."""
        for name, field in self.flags():
            _check_value(name, field, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Checks combinations of this section's values; a section overrides it where some do not go together.

        Raises:
            UserError: a combination that cannot work; the message names the flags.
        """

    @classmethod
    def flags(cls) -> Iterator[tuple[str, dataclasses.Field]]:
        """Every option's flag name and field, in the order of their definitions."""
        prefix = f"{cls.section}." if cls.section else ""
        for field in dataclasses.fields(cls):
            yield prefix + field.name, field

    @classmethod
    def flags_of_training(cls) -> set[str]:
        """Names of the flags that what is learned depends on."""
        by_field = ((name, field.metadata["affects_training"]) for name, field in cls.flags())
        return {name for name, affects in by_field if (cls.affects_training if affects is None else affects)}


def plain_type(field: dataclasses.Field) -> type:
    """The type of an option's values: `int` for an `int` and for an `Optional[int]`."""
    if typing.get_origin(field.type) is Union:
        return next(each for each in typing.get_args(field.type) if each is not type(None))
    return field.type


def _check_value(name: str, field: dataclasses.Field, value: Any) -> None:
    expected = plain_type(field)
    if value is None and expected is not field.type:
        return
    # A bool is an int to Python, and an int is as good as a float to anyone.
    accepted = (int, float) if expected is float else expected
    if not isinstance(value, accepted) or (isinstance(value, bool) and expected is not bool):
        raise UserError(f"--{name}={value!r} must be {_NAMES[expected]}")
    lower, upper, choices = (field.metadata[key] for key in ("lower", "upper", "choices"))
    if choices and value not in choices:
        raise UserError(f"--{name}={value} must be one of {', '.join(choices)}")
    if expected is float and not math.isfinite(value):
        raise UserError(f"--{name}={value} must be a finite number")
    if (lower is not None and value < lower) or (upper is not None and value > upper):
        raise UserError(f"--{name}={value} must be {_range(lower, upper)}")


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _range(lower: Optional[float], upper: Optional[float]) -> str:
    if upper is None:
        return f"{lower} or more"
    return f"{upper} or less" if lower is None else f"from {lower} to {upper}"
