# SPDX-License-Identifier: Apache-2.0

"""Shell completion scripts, computed from an argument parser.

zsh runs the bash script through its own bashcompinit. Values of which there
are a few are completed, all others as file names; paths inside an ISO are not
completed.
"""

import argparse
import collections.abc
import typing

SHELLS = ('bash', 'zsh')

_BASH = '''\
# {shell} completion for {prog}
_{name}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command= word words values=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
            -*) ;;
            *) command=$word; break ;;
        esac
    done
    case $command in
{cases}
        *) words="{top}" ;;
    esac
    case "$command ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
        "") ;;
    esac
    if [ "$values" ]; then
        COMPREPLY=($(compgen -W "$values" -- "$current"))
        # The file follows at once.
        case "${{COMPREPLY[*]}}" in *=) compopt -o nospace 2>/dev/null ;; esac
        return
    fi
    case $current in
        # What follows "DEST=" is a local file.
        *=*) COMPREPLY=($(compgen -f -- "${{current#*=}}")) ;;
        -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
        *) if [ -n "$command" ]; then
               COMPREPLY=($(compgen -f -- "$current"))
           else
               COMPREPLY=($(compgen -W "$words" -- "$current"))
           fi ;;
    esac
}}
complete -o filenames -F _{name} {prog}
'''
_ZSH = 'autoload -U +X bashcompinit && bashcompinit\n'


def _options(parser: argparse.ArgumentParser) -> str:
    return ' '.join(option for action in parser._actions
                    for option in action.option_strings)


def _commands(parser: argparse.ArgumentParser
              ) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return typing.cast(dict[str, argparse.ArgumentParser],
                               action.choices)
    return {}


def _values(command: argparse.ArgumentParser, known: collections.abc.Mapping[
        str, collections.abc.Iterable[str]]) -> dict[str, str]:
    """Return the values of options that have a few, by option."""
    found = {}
    for action in command._actions:
        for option in action.option_strings:
            values = known.get(option, action.choices or ())
            if values:
                found[option] = ' '.join(map(str, values))
    return found


def script(parser: argparse.ArgumentParser, shell: str,
           values: collections.abc.Mapping[
               str, collections.abc.Iterable[str]] | None = None) -> str:
    """Return the completion script of ``parser`` for a shell of SHELLS.

    :param values: of options that take some, and have no choices; what ends
        with "=" is followed by a file.
    """
    commands = _commands(parser)
    known = '\n'.join(
        f'        "{name} {option}") values="{found}" ;;'
        for name, command in commands.items()
        for option, found in _values(command, values or {}).items())
    cases = '\n'.join(f'        {name}) words="{_options(command)}" ;;'
                      for name, command in commands.items())
    return (_ZSH if shell == 'zsh' else '') + _BASH.format(
        shell=shell, prog=parser.prog, name=parser.prog.replace('-', '_'),
        cases=cases, values=known, top=' '.join([*commands, _options(parser)]))
