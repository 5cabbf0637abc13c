"""The help of the command line: flags by subject and model, in place of absl's list of all flags."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from tf_scenes.config import flag_groups
from tf_scenes.errors import UserError
from tf_scenes.models import registry
from tf_scenes.options import Options, allowed_values

_ASKED = ("--help", "-help", "-h", "--helpshort", "-helpshort")
_ALL = "all"
_WIDTH = 100
# Flags that belong to no section of options, each with its default.
_GENERAL = {
    "model=lavae": "Model to train or to use. Where a run is used that has been trained, its model by default.",
    "flagfile": "File with one flag a line, such as those in configs/; it may include another one, relative to its own "
    "folder. Flags after it on the command line take precedence.",
}


def topic(arguments: Sequence[str]) -> Optional[str]:
    """What a command line asks help about.

    Args:
        arguments: Arguments of the command line, without the program's name.

    Returns:
        The text of `--help=text` or `--help text` in small letters, empty for `--help` alone, None without either.
    """
    for argument, following in zip(arguments, [*arguments[1:], ""]):
        word, equals, text = argument.partition("=")
        if word in _ASKED:
            return (text if equals or following.startswith("-") else following).lower()
    return None


def help_text(about: str = "", command: str = "python main.py") -> str:
    """The help about a topic.

    Args:
        about: A group of flags, a model, `all`, or a word, which is looked for in names and texts of flags; empty for
            an overview with the flags of the job.
        command: How the program is called.

    Raises:
        UserError: If there is nothing about that topic.
    """
    groups = flag_groups()
    if not about:
        return f"{_overview(groups, command)}\n\n{_group('job', groups['job'])}"
    if about in registry.names():
        sections = [options.section for options in registry.entry(about).options]
        return "\n\n".join(_group(name, groups[name]) for name in sections)
    if about == _ALL:
        return "\n\n".join((_general(), *(_group(name, section) for name, section in groups.items())))
    if about in groups:
        return _group(about, groups[about])
    return _matches(groups, about)


def _matches(groups: Mapping[str, type[Options]], word: str) -> str:
    """The flags with a word in their names or texts, by group."""
    general = [_general()] if any(word in f"{name} {text}".lower() for name, text in _GENERAL.items()) else []
    found = {name: [flag for flag in section.flags() if _mentions(flag, word)] for name, section in groups.items()}
    texts = ["\n".join([_title(name, groups[name]), *map(_flag, flags)]) for name, flags in found.items() if flags]
    if not general and not texts:
        names = ", ".join((*groups, *(name for name in registry.names() if name not in groups), _ALL))
        raise UserError(f"--help={word}: no flag has that word; groups of flags are {names}")
    return "\n\n".join(general + texts)


def _overview(groups: dict[str, type[Options]], command: str) -> str:
    lines = [
        f"{command} --flagfile=configs/NAME.cfg [--FLAG=VALUE ...]",
        "",
        _general(),
        "",
        "Models:",
        "",
        *(_model(name) for name in registry.names()),
        "",
        "Flags come in groups:",
        "",
        *(f"  --help={name:<14} {_subject(section)}" for name, section in groups.items()),
        "",
        f"--help={_ALL} shows all of them, --help=WORD those with a word in their name or text; --version the version.",
    ]
    return "\n".join(lines)


def _model(name: str) -> str:
    return textwrap.fill(
        registry.entry(name).summary,
        _WIDTH,
        initial_indent=f"  --model={name:<13} ",
        subsequent_indent=" " * 24,
    )


def _general() -> str:
    """The flags of no group."""
    return "\n".join(["General flags", *(_paragraph(name, text) for name, text in _GENERAL.items())])


def _group(name: str, section: type[Options]) -> str:
    return "\n".join([_title(name, section), *map(_flag, section.flags())])


def _title(name: str, section: type[Options]) -> str:
    return f"{name}: {_subject(section)}"


def _subject(section: type[Options]) -> str:
    return (section.__doc__ or "").splitlines()[0]


def _flag(flag: tuple[str, dataclasses.Field[Any]]) -> str:
    name, field = flag
    default = "" if field.default is None else f"={str(field.default).lower() if field.type is bool else field.default}"
    text = f"{field.metadata['help']} {allowed_values(field)}".strip()
    return _paragraph(f"{name}{default}", text)


def _paragraph(flag: str, text: str) -> str:
    indented = textwrap.wrap(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(["", f"  --{flag}", *indented])


def _mentions(flag: tuple[str, dataclasses.Field[Any]], word: str) -> bool:
    name, field = flag
    return word.lower() in f"{name} {field.metadata['help']}".lower()
