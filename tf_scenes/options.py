"""The base of all options. This module does not import TensorFlow, so that `--help` is fast.

An option is defined once, as a field of a frozen dataclass, with its type, default, allowed values and help text. Flags
are derived from the fields, and values are checked in the same way whether they come from flags or from Python.
"""

import dataclasses
import math
import numbers
import typing
import unicodedata
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
    """Defines an option, as a dataclass field from which its flag can be derived.

    Args:
        default: Default value.
        help_text: Description of the option, with its unit and, if there is one, the paper's value.
        lower: Smallest value allowed.
        upper: Largest value allowed.
        choices: The only values allowed.
        affects_training: Whether the result of training depends on the option; None takes `Options.affects_training`.
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
    """Base class of all sections of options, which are frozen dataclasses whose fields are made by `option`.

    For example, the flags of `class LavaeOptions(Options, section="lavae")` are `--lavae.latent_dim` and so on.

    Attributes:
        section: Prefix of the flags; empty for sections that do not belong to one model.
        affects_training: Whether the result of training depends on these options, unless `option` says otherwise.

    Raises:
        UserError: On creation, if a value is not allowed or values cannot be combined.
    """

    section: ClassVar[str] = ""
    affects_training: ClassVar[bool] = True

    def __init_subclass__(cls, section: str = "", affects_training: bool = True) -> None:
        """Sets the class attributes of a section."""
        super().__init_subclass__()
        cls.section = section
        cls.affects_training = affects_training

    def __post_init__(self) -> None:
        """Checks every value, then their combination."""
        for name, field in self.flags():
            object.__setattr__(self, field.name, _checked_value(name, field, getattr(self, field.name)))
        self.check()

    def check(self) -> None:
        """Checks the combination of values; overridden by sections in which not all combinations are allowed.

        Raises:
            UserError: If values cannot be combined; the message names their flags.
        """

    @classmethod
    def flags(cls) -> Iterator[tuple[str, dataclasses.Field]]:
        """Flag name and field of every option, in the order of definition."""
        prefix = f"{cls.section}." if cls.section else ""
        for field in dataclasses.fields(cls):
            yield prefix + field.name, field

    @classmethod
    def flags_of_training(cls) -> set[str]:
        """Names of the flags on which the result of training depends."""
        by_field = ((name, field.metadata["affects_training"]) for name, field in cls.flags())
        return {name for name, affects in by_field if (cls.affects_training if affects is None else affects)}


def plain_type(field: dataclasses.Field) -> type:
    """The type of an option's values without None: `int` for both `int` and `Optional[int]`."""
    if typing.get_origin(field.type) is Union:
        return next(each for each in typing.get_args(field.type) if each is not type(None))
    return field.type


def allowed_values(field: dataclasses.Field) -> str:
    """A sentence on the values that an option may have, for its help; empty if there is nothing to say."""
    if plain_type(field) not in (int, float) and not field.metadata["choices"]:
        return ""
    text = requirement(field)
    return f"{text[0].upper()}{text[1:]}."


def requirement(field: dataclasses.Field) -> str:
    """What a value of an option must be, e.g. `a whole number, 1 or more`."""
    lower, upper, choices = (field.metadata[key] for key in ("lower", "upper", "choices"))
    if choices:
        return f"one of {', '.join(choices)}"
    name = _NAMES[plain_type(field)]
    return name if lower is None and upper is None else f"{name}, {_range(lower, upper)}"


def _checked_value(name: str, field: dataclasses.Field, value: Any) -> Any:
    """The value as one of Python's own types, if the option may have it."""
    expected = plain_type(field)
    if value is None and expected is not field.type:
        return None
    # NumPy's numbers are as good as Python's. A bool is not accepted as a number, although it is one in Python.
    accepted = _ACCEPTED.get(expected, expected)
    if not isinstance(value, accepted) or (isinstance(value, bool) and expected is not bool):
        raise UserError(f"--{name}={value!r} must be {requirement(field)}")
    if expected is str and any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
        raise UserError(f"--{name}={value!r} must be one line of text in UTF-8")
    lower, upper, choices = (field.metadata[key] for key in ("lower", "upper", "choices"))
    if expected is float and not abs(value) < math.inf:  # NaN is not below anything.
        raise UserError(f"--{name}={value} must be a finite number")
    too_low, too_high = lower is not None and value < lower, upper is not None and value > upper
    if too_low or too_high or (choices and value not in choices):
        raise UserError(f"--{name}={value} must be {requirement(field)}")
    limit = _LARGEST.get(expected)
    if limit is not None and abs(value) > limit:
        allowed = f"from {-limit:,} to {limit:,}" if lower is None else f"at most {limit:,}"
        raise UserError(f"--{name}={value} must be {allowed}")
    return expected(value)


# For options without an upper limit of their own: TensorFlow computes in 32 bits.
_LARGEST = {int: 2**31 - 1, float: 1_000_000_000}
_ACCEPTED = {int: numbers.Integral, float: numbers.Real}
_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _range(lower: Optional[float], upper: Optional[float]) -> str:
    if upper is None:
        return f"{_written(lower)} or more"
    return f"{_written(upper)} or less" if lower is None else f"from {_written(lower)} to {_written(upper)}"


def _written(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) and abs(number) >= 10_000 else str(number)
