# SPDX-License-Identifier: Apache-2.0

"""Shell completion scripts, computed from an argument parser.

zsh runs the bash script through its own bashcompinit. Values are completed
as file names; paths inside an ISO are not completed.
"""

import argparse
import typing

SHELLS = ('bash', 'zsh')

_BASH = '''\
# {shell} completion for {prog}
_{name}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command= word words
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


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of ``parser`` for a shell of SHELLS."""
    commands = _commands(parser)
    cases = '\n'.join(f'        {name}) words="{_options(command)}" ;;'
                      for name, command in commands.items())
    return (_ZSH if shell == 'zsh' else '') + _BASH.format(
        shell=shell, prog=parser.prog, name=parser.prog.replace('-', '_'),
        cases=cases, top=' '.join([*commands, _options(parser)]))
