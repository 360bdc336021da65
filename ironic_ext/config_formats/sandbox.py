# SPDX-License-Identifier: Apache-2.0

"""Jinja2 for strangers' templates: a sandbox with a budget.

Jinja2's sandbox keeps a template away from Python. On top of that there are
no attributes but a few methods of text and mappings, and every step, every
character and every item, also intermediate ones, is paid from a budget that
ends, as does the time. What cannot be priced (``**``, text formatting,
filters that repeat) is left out, as are includes, imports and blocks.
"""

import base64
import collections.abc
import functools
import json
import time
import types
import typing

import jinja2
from jinja2 import nodes
from jinja2 import runtime
from jinja2 import sandbox
from jinja2 import utils
from jinja2 import visitor

#: What a turn of a loop or a call costs; a character costs 1.
_STEP = 32
#: What an item costs that a filter looks at or keeps: 40 bytes and more.
_ITEM = 8
#: Characters that are compared for 1.
_COMPARED = 16
#: Payments between two looks at the clock.
_LOOKS = 256
#: Characters of a template whose code is kept.
_SHORT = 16 << 10
#: Bits of a number.
_MAX_BITS = 512

#: Attributes that there are, none of which makes much out of little.
_ATTRIBUTES: collections.abc.Mapping[type, frozenset[str]] = {
    str: frozenset((
        'endswith', 'lower', 'lstrip', 'removeprefix', 'removesuffix',
        'rstrip', 'split', 'splitlines', 'startswith', 'strip', 'upper')),
    dict: frozenset(('get', 'items', 'keys', 'values')),
    runtime.LoopContext: frozenset((
        'changed', 'cycle', 'depth', 'depth0', 'first', 'index', 'index0',
        'last', 'length', 'nextitem', 'previtem', 'revindex', 'revindex0')),
}
_FILTERS = (
    'abs', 'd', 'default', 'dictsort', 'first', 'float', 'int', 'last',
    'length', 'list', 'lower', 'map', 'max', 'min', 'reject', 'rejectattr',
    'select', 'selectattr', 'sort', 'string', 'trim', 'unique', 'upper',
    'urlencode')
_TESTS = (
    '!=', '<', '<=', '==', '>', '>=', 'boolean', 'defined', 'divisibleby',
    'eq', 'equalto', 'even', 'false', 'ge', 'greaterthan', 'gt', 'in',
    'integer', 'le', 'lessthan', 'lt', 'mapping', 'ne', 'none', 'number',
    'odd', 'sequence', 'string', 'true', 'undefined')
#: What Jinja2 itself gives to filters that want it.
_PASSED = (jinja2.Environment, runtime.Context, nodes.EvalContext)
_REFUSED = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport,
            nodes.Block)


class BudgetError(Exception):
    """The template costs more than it may."""


_Function = collections.abc.Callable[..., typing.Any]


class _Priced(dict[str, typing.Any]):
    """Functions that get their price when a template uses them.

    Most use few of them, and all together take longer than a template does.
    """

    def __init__(self, known: collections.abc.Mapping[str, _Function],
                 priced: collections.abc.Callable[[_Function], _Function]
                 ) -> None:
        super().__init__()
        self._known = known
        self._priced = priced

    def __missing__(self, name: str) -> _Function:
        """Return a function that was not used before."""
        found = self[name] = self._priced(self._known[name])
        return found

    def __contains__(self, name: object) -> bool:
        """Tell whether there is one."""
        return name in self._known

    def get(self, name: str, default: typing.Any = None) -> typing.Any:
        """Return a function, or the default."""
        return self[name] if name in self._known else default


class Environment(sandbox.ImmutableSandboxedEnvironment):
    """Compiles and renders templates that share one budget."""

    intercepted_binops = frozenset(('+', '*', '**', '%'))

    def __init__(self, budget: int, seconds: float = 5.0) -> None:
        """Open an account that all templates are paid from.

        :param budget: characters and steps.
        :param seconds: of the thread's time on a processor, in case that
            something costs more than its price.
        """
        super().__init__(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
            # What is computed ahead would be paid once, in a loop as well.
            optimized=False, finalize=_finalize)
        self._left = budget
        self._ends = time.thread_time() + seconds
        self._looks = 0
        filters: dict[str, typing.Any] = {
            **{name: self.filters[name] for name in _FILTERS},
            'b64encode': _b64encode, 'join': _join, 'replace': _replace,
            'tojson': _tojson}
        tests: dict[str, typing.Any] = dict(self.tests)
        self.filters = _Priced(filters, self._priced)
        self.tests = _Priced({name: tests[name] for name in _TESTS},
                             self._weighed_test)
        self.globals = {name: self.globals[name]
                        for name in ('namespace', 'range')}

    def template(self, source: str, filename: str) -> jinja2.Template:
        """Compile a template.

        :raises: jinja2.TemplateSyntaxError; RecursionError, SyntaxError,
            MemoryError, ValueError from Python's compiler
        """
        compiled = _compiled if len(source) > _SHORT else _cached
        return self.template_class.from_code(
            self, compiled(source, filename), self.make_globals(None))

    def spend(self, amount: int) -> None:
        """Pay from the account; what is not there ends the work.

        :raises: BudgetError
        """
        self._left -= max(amount, 0)
        if self._left < 0:
            raise BudgetError
        self._looks += 1
        if self._looks % _LOOKS == 0 and time.thread_time() > self._ends:
            raise BudgetError

    def pay_for(self, value: object) -> None:
        """Pay for a value as it would be written out.

        A list of lists of one and the same list is small in memory only.
        """
        rest = [value]
        while rest:
            item = rest.pop()
            if isinstance(item, str):
                self.spend(1 + len(item))
                continue
            self.spend(1)
            if isinstance(item, range):
                # Whoever is given one goes through it.
                self.spend(len(item))
            elif isinstance(item, (list, tuple)):
                self.spend(len(item))
                rest.extend(item)
            elif isinstance(item, dict):
                self.spend(2 * len(item))
                rest.extend(item)
                rest.extend(item.values())

    def concatenated(self, *parts: object) -> str:
        """Join the operands of "~"."""
        return ''.join(map(str, parts))

    def collected(self, collection: typing.Any) -> typing.Any:
        """Return a list, tuple or dict that call() made the template pay."""
        return collection

    def turn(self, literal: int) -> None:
        """Pay for the text in a turn of a loop or of a macro."""
        self.spend(_STEP + literal)

    def sliced(self, part: typing.Any) -> typing.Any:
        """Pay for a part that was copied out of a text or a list."""
        self.spend(_STEP + (len(part) if isinstance(part, str)
                            else _ITEM * _length(part)))
        return part

    def iterated(self, items: typing.Any) -> typing.Any:
        """Pay for what a loop is going to look at, whether it takes it."""
        self.spend(_STEP + _length(items))
        return items

    def compared(self, value: typing.Any) -> typing.Any:
        """Pay for an operand of "==", "<" and their like."""
        if isinstance(value, str):
            self.spend(1 + len(value) // _COMPARED)
        else:
            self.pay_for(value)
        return value

    def searched(self, value: typing.Any) -> typing.Any:
        """Pay for what "in" searches."""
        if isinstance(value, dict):
            self.spend(1)
        else:
            self.compared(value)
        return value

    # What Jinja2 asks

    def is_safe_attribute(self, obj: typing.Any, attr: str,
                          value: typing.Any) -> bool:
        """Tell whether a template may have an attribute."""
        if isinstance(obj, utils.Namespace):
            return not attr.startswith('_')
        return attr in _ATTRIBUTES.get(type(obj), ())

    def wrap_str_format(self, value: typing.Any) -> None:
        """Give up the sandbox's own str.format(), which has no price."""

    def call(__self, __context: runtime.Context,  # noqa: N805
             __obj: typing.Any, *args: typing.Any, **kwargs: typing.Any
             ) -> typing.Any:
        """Call what the template calls, once it has paid."""
        if getattr(__obj, '__func__', None) in _PRICE_TAGS:
            # Its own: no template can get hold of it.
            return __obj(*args)
        __self.spend(_STEP)
        __self.pay_for(args)
        __self.pay_for(kwargs)
        owner = getattr(__obj, '__self__', None)
        if isinstance(owner, (str, dict)):
            __self.spend(len(owner))
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: runtime.Context, operator: str,
                   left: typing.Any, right: typing.Any) -> typing.Any:
        """Compute what could become large."""
        if operator == '+':
            self.pay_for(left)
            self.pay_for(right)
        elif not _is_number(left) or not _is_number(right):
            raise jinja2.TemplateRuntimeError(
                f'uses "{operator}" with something that is no number')
        elif operator == '**':
            raise jinja2.TemplateRuntimeError('uses "**", which is not '
                                              'possible here')
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and result.bit_length() > _MAX_BITS:
            raise jinja2.TemplateRuntimeError('computes too large a number')
        return result

    def _priced(self, function: typing.Callable[..., typing.Any]
                ) -> typing.Callable[..., typing.Any]:
        # Keeps what Jinja2 notes at functions that want the environment.
        @functools.wraps(function)
        def priced(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
            self.spend(_STEP)
            self.pay_for(tuple(arg for arg in args if isinstance(
                arg, (str, list, tuple, dict))))
            self.pay_for(kwargs)
            # What is filtered comes after what Jinja2 passes.
            place = next(number for number, arg in enumerate(args)
                         if not isinstance(arg, _PASSED))
            result = function(*args[:place], self._counted(args[place]),
                              *args[place + 1:], **kwargs)
            if isinstance(result, str):
                self.spend(len(result))
            elif isinstance(result, collections.abc.Iterator):
                return self._counted(result)
            else:
                self.spend(_ITEM * _length(result))
            return result

        return priced

    def _counted(self, value: typing.Any) -> typing.Any:
        """Let a filter pay for each item that it takes from a value."""
        if not isinstance(value, (range, collections.abc.Iterator)):
            return value
        return self._items(value)

    def _items(self, value: collections.abc.Iterable[typing.Any]
               ) -> collections.abc.Iterator[typing.Any]:
        for item in value:
            self.spend(_ITEM)
            yield item

    def _weighed_test(self, function: typing.Callable[..., typing.Any]
                      ) -> typing.Callable[..., typing.Any]:
        @functools.wraps(function)
        def weighed(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
            for value in (*args, *kwargs.values()):
                if isinstance(value, (str, list, tuple, dict, range)):
                    self.compared(value)
            return function(*args, **kwargs)

        return weighed


def _compiled(source: str, filename: str) -> types.CodeType:
    """Return the code of a template, which is the same for all budgets."""
    environment = Environment(0)
    tree = environment.parse(source, filename=filename)
    for node in tree.find_all(_REFUSED):
        raise jinja2.TemplateSyntaxError(
            f'"{type(node).__name__.lower()}" is not possible here: every '
            'file stands alone', node.lineno)
    return environment.compile(_PriceTags().visit(tree), filename=filename)


# Compiling takes a hundred times as long as rendering.
_cached = functools.lru_cache(maxsize=128)(_compiled)


class _PriceTags(visitor.NodeTransformer):
    """Lets a template pay where Jinja2 would not ask."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call('concatenated', node.nodes, node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _call('collected', [node], node.lineno)

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        if node.ctx != 'load':
            return node
        return _call('collected', [node], node.lineno)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        return _call('sliced', [node], node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _weighed('compared', node.expr)
        for operand in node.ops:
            operand.expr = _weighed(
                'searched' if operand.op in ('in', 'notin') else 'compared',
                operand.expr)
        return node

    def visit_For(self, node: nodes.Node) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node, nodes.For):
            node.iter = _call('iterated', [node.iter], node.lineno)
        body = typing.cast(typing.Any, node).body
        literal = sum(len(data.data) for part in body
                      for data in part.find_all(nodes.TemplateData))
        body.insert(0, nodes.ExprStmt(
            _call('turn', [nodes.Const(literal)], node.lineno),
            lineno=node.lineno))
        return node

    visit_Macro = visit_For
    visit_CallBlock = visit_For


def _call(method: str, arguments: list[typing.Any], line: int
          ) -> nodes.Call:
    """Return a call that no template can write by itself."""
    return nodes.Call(nodes.EnvironmentAttribute(method), arguments, [],
                      None, None, lineno=line)


def _weighed(method: str, operand: nodes.Expr) -> nodes.Expr:
    # Numbers and short texts cost nothing worth the call.
    if isinstance(operand, nodes.Const):
        return operand
    return _call(method, [operand], operand.lineno)


#: The methods that templates call without writing so.
_PRICE_TAGS = frozenset((
    Environment.turn, Environment.sliced, Environment.iterated,
    Environment.compared, Environment.searched))


def _length(value: typing.Any) -> int:
    """Return the items of a list or its like, 0 of anything else."""
    return len(value) if isinstance(
        value, (str, list, tuple, collections.abc.Set, dict, range,
                collections.abc.MappingView)) else 0


@jinja2.pass_environment
def _finalize(environment: Environment, value: typing.Any) -> typing.Any:
    environment.pay_for(value)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _b64encode(value: str) -> str:
    """Return text as base64 of its UTF-8."""
    return base64.b64encode(value.encode()).decode()


def _tojson(value: typing.Any) -> str:
    """Return JSON, without the escapes that HTML needs."""
    return json.dumps(value)


@jinja2.pass_environment
def _join(environment: Environment, value: typing.Iterable[typing.Any],
          separator: str = '') -> str:
    parts = []
    for item in value:
        environment.spend(len(separator))
        environment.pay_for(item)
        parts.append(str(item))
    return separator.join(parts)


@jinja2.pass_environment
def _replace(environment: Environment, value: str, old: str, new: str
             ) -> str:
    environment.spend(value.count(old) * len(new))
    return value.replace(old, new)
