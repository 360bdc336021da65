# SPDX-License-Identifier: Apache-2.0

"""What a machine's console tells of a deployment: phases, memory, seconds.

The agent's part logs its phases, the ramdisk of the lab what memory is left.
The console is a hostile machine's word where its image is: it is read in
lines of bounded length, and nothing of it is run.
"""

import collections.abc
import dataclasses
import pathlib
import re
import typing

_PROGRESS = re.compile(r'bootc install: (.+)')
_TOLD = re.compile(r'\bbootc: (.+)')
_MEMORY = re.compile(r'LAB-MEMORY (\d+) (\d+)\b')
_TERMINAL = re.compile(r'\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])|[^ -~\t]')
_LONGEST = 2000
#: Lines of bootc's own that are kept.
_MAX_TOLD = 2000

#: Has the lab's ramdisk tell of its memory every other second, in kB: what
#: is available, and all. Given to it as ``etc/lab-start``.
SAMPLER = """\
#!/bin/sh
value() { sed -n "s/^$1: *\\([0-9]*\\) kB/\\1/p" /proc/meminfo; }
while :; do
    echo "LAB-MEMORY $(value MemAvailable) $(value MemTotal)" > /dev/ttyS0
    sleep 2
done
"""


@dataclasses.dataclass
class Phase:
    """Something that took its time.

    :ivar began: seconds since the story began.
    :ivar least: MiB of memory that were available at the least, if told.
    """

    name: str
    began: float
    seconds: float = 0.0
    least: int | None = None


@dataclasses.dataclass
class Story:
    """What was told so far; times are seconds since it began."""

    phases: list[Phase] = dataclasses.field(default_factory=list)
    #: (seconds, MiB available)
    memory: list[tuple[float, int]] = dataclasses.field(default_factory=list)
    total_memory: int | None = None
    #: (seconds, line): bootc's own words.
    told: list[tuple[float, str]] = dataclasses.field(default_factory=list)

    def enter(self, name: str, now: float) -> bool:
        """Begin a phase, unless it goes on; return whether it is new."""
        if self.phases and self.phases[-1].name == name:
            return False
        self.end(now)
        self.phases.append(Phase(name, now))
        return True

    def end(self, now: float) -> None:
        """Have the last phase last until now."""
        if self.phases:
            self.phases[-1].seconds = now - self.phases[-1].began

    def hear(self, line: str, now: float) -> str | None:
        """Take a line of the console; return what people should read."""
        text = _TERMINAL.sub('', line[:_LONGEST])
        if match := _MEMORY.search(text):
            self._remember(int(match[1]) >> 10, int(match[2]) >> 10, now)
        elif match := _PROGRESS.search(text):
            self.enter(match[1].partition(',')[0].strip(), now)
            return match[1].strip()
        elif (match := _TOLD.search(text)) and len(self.told) < _MAX_TOLD:
            self.told.append((now, match[1].strip()))
        return None

    def _remember(self, available: int, total: int, now: float) -> None:
        self.memory.append((now, available))
        self.total_memory = total
        if self.phases:
            phase = self.phases[-1]
            phase.least = min(available, phase.least or available)

    def to_dict(self) -> dict[str, typing.Any]:
        """Return all of it, fit for JSON; seconds have one digit."""
        return {
            'phases': [{'name': phase.name, 'began': round(phase.began, 1),
                        'seconds': round(phase.seconds, 1),
                        'least_memory_mib': phase.least}
                       for phase in self.phases],
            'memory_mib': self.total_memory,
            'memory': [[round(now, 1), available]
                       for now, available in self.memory],
            'told': [[round(now, 1), text] for now, text in self.told]}

    def table(self) -> str:
        """Return the phases as a table for people."""
        lines = [f'{"phase":40} {"seconds":>8} {"least MiB":>10}']
        lines += [f'{phase.name[:40]:40} {phase.seconds:8.0f} '
                  f'{"" if phase.least is None else phase.least:>10}'
                  for phase in self.phases]
        return '\n'.join(lines)


class Console:
    """Follows the file that a machine's serial port is written to."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b''

    def lines(self) -> collections.abc.Iterator[str]:
        """Yield the lines that have come since the last call.

        A prompt has no end of line: what waits for one is shown by ``rest``.
        """
        try:
            with open(self._path, 'rb') as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        self._offset += len(data)
        *lines, rest = (self._rest + data).replace(b'\r', b'\n').split(b'\n')
        self._rest = rest[-_LONGEST:]
        for line in lines:
            if line:
                yield line.decode(errors='replace')

    def forget(self) -> None:
        """Drop what is there, such as a prompt of before a restart."""
        for _line in self.lines():
            pass
        self._rest = b''

    @property
    def rest(self) -> str:
        """The line that has not ended yet."""
        return _TERMINAL.sub('', self._rest.decode(errors='replace'))
