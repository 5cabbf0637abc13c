"""The help of the command line: flags by subject and model, in place of absl's list of all flags."""

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any, Optional

from tf_scenes.config import flag_groups
from tf_scenes.errors import UserError
from tf_scenes.models import registry
from tf_scenes.options import Options, allowed_values

_ASKED = ("--help", "-help", "-h", "--helpshort", "-helpshort")
_ALL = "all"
_WIDTH = 100


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
    if about == _ALL or about in groups:
        return "\n\n".join(_group(name, section) for name, section in groups.items() if about in (_ALL, name))
    flags = [_flag(*flag) for section in groups.values() for flag in section.flags() if _mentions(flag, about)]
    if not flags:
        names = ", ".join((*groups, *(name for name in registry.names() if name not in groups), _ALL))
        raise UserError(f"--help={about}: no flag has that word; groups of flags are {names}")
    return "\n".join(flags)


def _overview(groups: dict[str, type[Options]], command: str) -> str:
    lines = [
        f"{command} --flagfile=configs/NAME.cfg [--FLAG=VALUE ...]",
        "",
        "--model chooses the model, lavae by default:",
        "",
        *(_model(name) for name in registry.names()),
        "",
        "Flags come in groups:",
        "",
        *(f"  --help={name:<14} {_subject(section)}" for name, section in groups.items()),
        "",
        f"--help={_ALL} shows all of them, --help=WORD those with a word in their name or text.",
    ]
    return "\n".join(lines)


def _model(name: str) -> str:
    return textwrap.fill(
        registry.entry(name).summary,
        _WIDTH,
        initial_indent=f"  --model={name:<13} ",
        subsequent_indent=" " * 24,
    )


def _group(name: str, section: type[Options]) -> str:
    return "\n".join([f"{name}: {_subject(section)}", *(_flag(*flag) for flag in section.flags())])


def _subject(section: type[Options]) -> str:
    return (section.__doc__ or "").splitlines()[0]


def _flag(name: str, field: dataclasses.Field[Any]) -> str:
    default = "" if field.default is None else f"={str(field.default).lower() if field.type is bool else field.default}"
    text = f"{field.metadata['help']} {allowed_values(field)}".strip()
    return "\n".join(
        ["", f"  --{name}{default}", *textwrap.wrap(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)]
    )


def _mentions(flag: tuple[str, dataclasses.Field[Any]], word: str) -> bool:
    name, field = flag
    return word.lower() in f"{name} {field.metadata['help']}".lower()
