# SPDX-License-Identifier: Apache-2.0

"""The pages of the documentation, read to be compared with the code."""

import ast
import collections.abc
import itertools
import pathlib
import re

import ironic_ext

ROOT = pathlib.Path(ironic_ext.__file__).parents[1]
SOURCE = ROOT / 'doc/source'
#: What stands for a value in a sentence.
ANY = '{}'


def read(page: str) -> str:
    """Return the text of a page, such as ``admin/boot-ends``."""
    return (SOURCE / f'{page}.rst').read_text()


def template(text: str) -> str:
    """Return a sentence with ANY for what it names, on one line."""
    return re.sub(r'<[^<>]+>', ANY, ' '.join(text.split()))


def sentences(node: ast.expr, module: ast.Module) -> set[str]:
    """Return what an expression of text can be, with ANY for values.

    Calls of functions of the same module are what these return.
    """
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            return _joined(parts, module)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([left, right], module)
        case ast.IfExp(body=body, orelse=otherwise):
            return sentences(body, module) | sentences(otherwise, module)
        case ast.BoolOp(values=values):
            return set[str]().union(*(sentences(value, module)
                                      for value in values))
        case ast.Call(func=ast.Name(id=name)):
            found = [inner.value for function in module.body
                     if isinstance(function, ast.FunctionDef)
                     and function.name == name
                     for inner in ast.walk(function)
                     if isinstance(inner, ast.Return) and inner.value]
            if found:
                return set[str]().union(*(sentences(value, module)
                                          for value in found))
    return {ANY}


def _joined(parts: collections.abc.Sequence[ast.expr], module: ast.Module
            ) -> set[str]:
    return {''.join(way) for way in itertools.product(
        *(sentences(part, module) for part in parts))}
