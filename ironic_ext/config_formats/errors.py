# SPDX-License-Identifier: Apache-2.0

"""What is wrong with a boot config, with its place; never its content."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    :ivar file: its path in the config's data, '' for the config itself.
    :ivar line: counted from 1, None where there is none.
    :ivar reason: what is wrong, and what to do.
    """

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        """Return place and reason as one text."""
        place = self.file
        if self.line is not None:
            place = f'{place} line {self.line}'.strip()
        return f'{place}: {self.reason}' if place else self.reason


class ConfigError(Exception):
    """A boot config cannot be used.

    :ivar findings: everything that was found.
    """

    def __init__(self, *findings: Finding) -> None:
        """Join the findings into the message, and keep them."""
        super().__init__('; '.join(map(str, findings)))
        self.findings = findings


def refusal(reason: str) -> ConfigError:
    """Return the error for a config as a whole."""
    return ConfigError(Finding('', None, reason))
