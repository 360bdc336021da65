# SPDX-License-Identifier: Apache-2.0

"""Templates of config files: Jinja2, filled with a node's facts.

Whoever writes one may be a stranger; sandbox.py keeps it in bounds.
"""

import collections.abc
import json
import re
import typing

import jinja2

from ironic_ext.config_formats import errors
from ironic_ext.config_formats import sandbox

Facts = collections.abc.Mapping[str, typing.Any]

#: Characters of all templates of a config together; compiling takes time.
MAX_SOURCE = 128 << 10
#: Characters and steps of all files of a config together.
BUDGET = 2 << 20
_FILE = '<template>'
_QUOTED = re.compile(r"'(.*?)'")
_TYPE = re.compile(r'(dict|list|str|int|float|bool|tuple|None|function|type|'
                   r'TemplateReference|LoopContext|Namespace|Macro|'
                   r'builtin_function_or_method)( object)?')


def check(files: collections.abc.Mapping[str, str]) -> None:
    """Refuse files that are no templates.

    :raises: ConfigError with the lines
    """
    found: list[errors.Finding] = []
    _require_size(files)
    environment = sandbox.Environment(BUDGET)
    for path, source in files.items():
        try:
            _compiled(environment, path, source)
        except errors.ConfigError as exc:
            found += exc.findings
    if found:
        raise errors.ConfigError(*found)


def render(files: collections.abc.Mapping[str, str], facts: Facts
           ) -> dict[str, str]:
    """Return the files with everything filled in.

    :param facts: plain data (what JSON can hold); a name that is not there
        is an error where it is used.
    :raises: ConfigError with the line
    """
    _require_size(files)
    environment = sandbox.Environment(BUDGET)
    # A copy, and of plain types only, whatever the caller has.
    plain = json.loads(json.dumps(facts))
    return {path: _rendered(environment, path, source, plain)
            for path, source in files.items()}


def _require_size(files: collections.abc.Mapping[str, str]) -> None:
    total = sum(map(len, files.values()))
    if total > MAX_SOURCE:
        raise errors.refusal(
            f'the templates have {total} characters together; {MAX_SOURCE} '
            f'are the most')


def _rendered(environment: sandbox.Environment, path: str, source: str,
              facts: dict[str, typing.Any]) -> str:
    template = _compiled(environment, path, source)
    error: Exception
    try:
        return template.render(facts)
    except sandbox.BudgetError as exc:
        reason = ('costs too much: it has loops without an end in sight, or '
                  'writes too much text')
        error = exc
    except jinja2.TemplateError as exc:
        reason, error = _fit_to_show(exc, source), exc
    except RecursionError as exc:
        reason, error = 'calls itself too often', exc
    except (ArithmeticError, AttributeError, LookupError, TypeError,
            ValueError) as exc:
        # Their texts may quote values.
        reason, error = f'fails with {type(exc).__name__}', exc
    raise errors.ConfigError(errors.Finding(
        path, _line(error), f'the template does not work: {reason[:300]}'
    )) from error


def _fit_to_show(error: jinja2.TemplateError, source: str) -> str:
    """Return a message, unless it quotes what the template does not say.

    A key that is missing may be a value of the facts.
    """
    message = error.message or ''
    if message == "'boot' is undefined":
        # The one fact that depends on a configuration.
        return ("'boot' is undefined: set [ext_server]public_url, for "
                'conductors and boot servers')
    names = _QUOTED.findall(message)
    if message and all(name in source or _TYPE.fullmatch(name)
                       for name in names):
        return message
    return 'something that it asks for is not there, or not for templates'


def _compiled(environment: sandbox.Environment, path: str, source: str
              ) -> jinja2.Template:
    try:
        return environment.template(source, _FILE)
    except jinja2.TemplateSyntaxError as exc:
        raise errors.ConfigError(errors.Finding(
            path, exc.lineno, f'is no template: {exc.message}')) from exc
    except (RecursionError, SyntaxError, MemoryError, ValueError) as exc:
        # Limits of Python's own compiler.
        raise errors.ConfigError(errors.Finding(
            path, None, 'is too complicated for a template')) from exc


def _line(error: BaseException) -> int | None:
    """Return the line of the template that raised."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
