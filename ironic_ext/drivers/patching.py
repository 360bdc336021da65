# SPDX-License-Identifier: Apache-2.0

"""How something of Ironic is changed: looked at first, then made whole.

What is changed is named by text. Where a release of Ironic has it no more,
or has it otherwise, there is one warning that says what is lost, and all the
rest works.
"""

import collections.abc
import dataclasses
import functools
import importlib.util
import inspect
import logging
import pkgutil
import typing

from oslo_log import log

LOG = log.getLogger(__name__)

#: What is called in place of something, with the stock one first.
Body = collections.abc.Callable[..., typing.Any]
_Change = collections.abc.Callable[[], None]


class MisfitError(Exception):
    """What is to be changed is gone, or is not what it was; a clause."""


class Target(typing.Protocol):
    """What of Ironic, or of a library below it, is changed."""

    @property
    def path(self) -> str:
        """Its name: "module", or "module:name" of something in one."""

    def prepared(self) -> _Change:
        """Return what makes the change; until then nothing is touched.

        :raises: MisfitError
        """


@dataclasses.dataclass(frozen=True)
class Replaced:
    """Something that another thing takes the place of.

    :param make: called with what is there, which it judges, too; returns
        what takes its place, or raises MisfitError.
    """

    path: str
    make: collections.abc.Callable[[typing.Any], typing.Any]

    def prepared(self) -> _Change:
        """Return what puts the other thing there.

        :raises: MisfitError
        """
        module, _colon, names = self.path.partition(':')
        place, _dot, name = names.rpartition('.')
        try:
            owner = pkgutil.resolve_name(f'{module}:{place}')
            stock = getattr(owner, name)
        except (AttributeError, ImportError):
            raise MisfitError(f'{self.path} is gone') from None
        return functools.partial(setattr, owner, name, self.make(stock))


@dataclasses.dataclass(frozen=True)
class Wrapped:
    """A function or method that is called by one of this suite.

    :param takes: the names of the first arguments that it has to take.
    :param body: called instead, with the stock one and the arguments.
    """

    path: str
    takes: tuple[str, ...]
    body: Body

    def prepared(self) -> _Change:
        """Return what wraps it.

        :raises: MisfitError
        """
        return Replaced(self.path, self._wrapper).prepared()

    def _wrapper(self, stock: typing.Any) -> typing.Any:
        if not callable(stock) or tuple(inspect.signature(stock).parameters
                                        )[:len(self.takes)] != self.takes:
            raise MisfitError(f'{self.path} does not take '
                              f'{", ".join(self.takes)} any more')

        @functools.wraps(stock)
        def wrapper(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
            return self.body(stock, *args, **kwargs)

        return wrapper


@dataclasses.dataclass(frozen=True)
class Filtered:
    """The log of a module, which something is taken out of."""

    path: str
    filter: logging.Filter

    def prepared(self) -> _Change:
        """Return what filters it.

        :raises: MisfitError
        """
        try:
            # Not imported: what is there need not be loaded here.
            found = importlib.util.find_spec(self.path)
        except (ImportError, ValueError):
            found = None
        if found is None:
            raise MisfitError(f'{self.path} is gone')
        return functools.partial(
            logging.getLogger(self.path).addFilter, self.filter)


@dataclasses.dataclass(frozen=True)
class Patch:
    """One change: made whole, or not at all.

    :param name: what the page for operators calls it.
    :param reason: the bug or the gap of Ironic's, and why there is no other
        way.
    :param releases: of Ironic that were seen to need it.
    :param loss: what there is without it; a sentence.
    :param wanted: whether this Ironic, so configured, is to be changed.
    """

    name: str
    targets: tuple[Target, ...]
    reason: str
    releases: str
    loss: str
    wanted: collections.abc.Callable[[], bool] = lambda: True

    def install(self) -> None:
        """Change Ironic; where it does not fit, warn of what is lost.

        To be called once: it would be changed twice.
        """
        if not self.wanted():
            return
        misfit = ''
        try:
            changes = [target.prepared() for target in self.targets]
        except MisfitError as exc:
            # Not logged in here, where oslo.log would add it once more.
            misfit = str(exc)
        if misfit:
            LOG.warning(
                'This Ironic is none of those that ironic-ext knows '
                '(%(releases)s): %(misfit)s. %(loss)s',
                {'releases': self.releases, 'misfit': misfit,
                 'loss': self.loss})
            return
        for change in changes:
            change()
        LOG.debug('Ironic is changed: %(name)s (%(targets)s)',
                  {'name': self.name, 'targets': ', '.join(
                      target.path for target in self.targets)})
