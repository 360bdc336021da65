# SPDX-License-Identifier: Apache-2.0

"""What podman and bootc print when they fail, put into one sentence.

Patterns come from podman 4.3 and 5.4 (containers/image) and bootc 1.16.
Nothing of an output is passed on beyond a line or two, without control
characters.
"""

import collections.abc
import re

from ironic_ext.bootc import errors

#: Characters of a message that is passed on.
_LONGEST = 600

_NO_BOOTC = re.compile(
    r'executable file [`"\']?bootc[`"\']? not found'
    r'|exec: "bootc": executable file not found', re.IGNORECASE)
#: bootc when neither image nor command line name a file system.
_NO_FILE_SYSTEM = 'No root filesystem specified'
#: bootc when it was told to switch off what the image has.
_NO_SELINUX = 'Target has SELinux enabled, overriding to disable'
#: A tool's command line as bootc prints it: Rust's pretty "Debug".
_COMMAND = re.compile(r'(?:: )?(?:Failed to run command: )?Command \{')
_ARGUMENT = re.compile(r'^\s+"((?:[^"\\]|\\.)*)",?$')
# What bootc says of a tool's end besides its output, and of what it starts.
_EMPTY_WORDS = re.compile(
    r'^(?:> |\}$|Subprocess failed: ExitStatus|Caused by)')
_LOG_LINE = re.compile(r'^time="[^"]*" level=(\w+) msg="(.*)"$')
# Colours and cursor movements of terminals.
_TERMINAL = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')

_TRANSIENT = re.compile(
    r'connection re(?:set|fused)|broken pipe|unexpected EOF|i/o timeout'
    r'|TLS handshake timeout|context deadline exceeded'
    r'|temporary failure in name resolution|server misbehaving'
    r'|received unexpected HTTP status: (?:5\d\d|429)|toomanyrequests'
    r'|no route to host|network is unreachable', re.IGNORECASE)

_PARTS = re.compile(r'partial (?:pull of )?blob|zstd:chunked', re.IGNORECASE)

_KNOWN: tuple[tuple[str, type[errors.BootcError], str], ...] = (
    (r'input/output error', errors.StoreError,
     'the store of image {image} failed (input/output error), as compressed '
     'memory does that is full: name a scratch disk, or deploy a machine '
     'with more memory'),
    (r'no space left on device|cannot allocate memory',
     errors.MemoryShortError,
     'image {image} is larger than what the machine\'s memory holds: name a '
     'scratch disk, or deploy a machine with more memory'),
    (r'x509|certificate|server gave HTTP response to HTTPS client',
     errors.CertificateError,
     'the registry of image {image} cannot be trusted: {line}'),
    (r'sigstoreSigned|sigstore.*not supported',
     errors.PodmanError,
     'the ramdisk\'s podman cannot check sigstore signatures, as of image '
     '{image}: it is built without them'),
    (r'source image rejected|signature|rejected by policy'
     r'|A signature was required',
     errors.SignatureError,
     'the signature policy does not let image {image} in: {line}'),
    (r'unauthori[sz]ed|authentication required|denied|forbidden'
     r'|invalid username/password|unable to retrieve auth token',
     errors.UnauthorisedError,
     'the registry does not give image {image} with these credentials'),
    (r'no image found in (?:manifest|image) (?:list|index)'
     r'|choosing image instance|no matching manifest',
     errors.ArchitectureError,
     'image {image} is not made for this machine\'s processor'),
    (r'manifest unknown|name unknown|not known to registry'
     r'|repository name not known|StatusCode: 404|status 404',
     errors.NoSuchImageError, 'the registry has no image {image}'),
    (r'i/o timeout|context deadline exceeded|handshake timeout',
     errors.RegistryTimeoutError,
     'the registry of image {image} does not answer in time'),
)


def is_transient(lines: collections.abc.Sequence[str]) -> bool:
    """Tell whether a pull that printed these lines may succeed later."""
    return bool(_TRANSIENT.search(_reason(lines)))


def is_about_parts(lines: collections.abc.Sequence[str]) -> bool:
    """Tell whether a pull failed since a layer cannot be had in parts."""
    return bool(_PARTS.search(_reason(lines)))


def pull_error(image: str, lines: collections.abc.Sequence[str]
               ) -> errors.BootcError:
    """Return what a failed pull means."""
    line = _reason(lines)
    for pattern, kind, text in _KNOWN:
        if re.search(pattern, line, re.IGNORECASE):
            return kind(text.format(image=image, line=_last_part(line)))
    return errors.RegistryError(
        f'image {image} cannot be pulled: {_last_part(line)}')


def lacks_file_system(lines: collections.abc.Iterable[str]) -> bool:
    """Tell whether bootc wants to be told the root file system."""
    return any(_NO_FILE_SYSTEM in line for line in lines)


def disables_selinux(lines: collections.abc.Iterable[str]) -> bool:
    """Tell whether bootc switched SELinux off in what it installed."""
    return any(_NO_SELINUX in line for line in lines)


def install_error(image: str, code: int,
                  lines: collections.abc.Sequence[str]) -> errors.BootcError:
    """Return what a failed run of bootc means.

    :param code: what ``podman run`` ended with: 125 when podman itself
        failed, 126 and 127 when bootc could not be started.
    """
    if any(_NO_BOOTC.search(line) for line in lines) or code == 127:
        return errors.NotBootableError(
            f'image {image} has no bootc in it, and so cannot install '
            'itself')
    said = message(lines)
    if code == 125:
        return errors.PodmanError(f'podman cannot run image {image}: {said}')
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        said = f'{said} (ended by signal {number})'
    return errors.InstallError(
        f'bootc cannot install image {image}: {said}')


def message(lines: collections.abc.Sequence[str]) -> str:
    """Return the error of an output: its cause first, no logs, no noise.

    bootc prints "error: what: why", its causes as a list, what a tool said
    above or below it, and the tool's command line over many lines.
    """
    # What is left of the colours and of podman's logs is indentation, which
    # tells arguments of a command from words.
    plain = [line for line in map(_bare, lines)
             if line.strip() and not _LOG_LINE.match(line.strip())]
    for number in range(len(plain) - 1, -1, -1):
        match = re.match(r'\s*error:\s*(.*)', plain[number], re.IGNORECASE)
        if match:
            return _short(_told(match[1], plain[number + 1:],
                                plain[:number]))
    found = [line.strip() for line in plain[-2:]] or [
        line for line in map(clean, lines) if line][-1:]
    return _short('; '.join(found) or 'no word of why')


def _told(what: str, after: list[str], before: list[str]) -> str:
    """Put a block "error: ..." into a sentence.

    :param after: lines of the block, if it has more than one.
    """
    start = _COMMAND.search(what)
    if start is None:
        causes = [re.sub(r'^\s*\d+:\s*', '', line).strip() for line in after]
        said = [line for line in causes if not _EMPTY_WORDS.match(line)][:4]
        if 'Subprocess failed' in what and said:
            return f'{"; ".join(said)} ({what})'
        return ': '.join([what, *said])
    what = what[:start.start()].rstrip(': ')
    words: list[str] = []
    rest: list[str] = []
    inside = True
    for line in after:
        if inside and (match := _ARGUMENT.match(line)):
            words.append(match[1])
        elif line.startswith('}'):
            inside = False
        elif not inside:
            rest.append(line.strip())
    cause = '; '.join(rest[:4]) or _cause(before)
    command = f', by {" ".join(words)}' if words else ''
    return f'{cause} ({what}{command})' if cause else f'{what}{command}'


def _cause(before: list[str]) -> str:
    """Return what a tool said last before its failure was told."""
    found: list[str] = []
    for line in reversed(before):
        if _EMPTY_WORDS.match(line.strip()) or len(found) == 2:
            break
        found.insert(0, line.strip())
        match = re.match(r'\s*error:\s*(.*)', line, re.IGNORECASE)
        if match:
            return '; '.join([match[1], *found[1:]])
    return '; '.join(found)


def _bare(line: str) -> str:
    """Return a line without colours, and with its indentation."""
    text = clean(line)
    indentation = len(line) - len(line.lstrip(' \t'))
    return ' ' * min(indentation, 8) + text


def _reason(lines: collections.abc.Sequence[str]) -> str:
    """Return podman's last error, else the end of the output."""
    for line in reversed(lines):
        if line.startswith('Error: '):
            return clean(line)[len('Error: '):]
    return clean(' '.join(lines[-3:]))


def _last_part(line: str) -> str:
    """Return what comes after podman's own chain of contexts."""
    parts = line.split(': ')
    # The same text twice: "manifest unknown: manifest unknown".
    if len(parts) > 1 and parts[-1] == parts[-2]:
        parts.pop()
    return _short(': '.join(parts[-2:]) or 'no word of why')


def clean(line: str) -> str:
    """Return a line without colours and control characters."""
    text = _TERMINAL.sub('', line)
    return ''.join(c if c.isprintable() else ' ' for c in text).strip()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'
