"""Calls: a plain method, one that waits, and one that calls another procedure."""

import ast
import operator
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from IonmanClass import RegistrationsClass

OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
LONGEST_WAIT = 20.0  # s
LONGEST = 1000  # characters of an expression
LARGEST = 2**63  # what the wire has a whole number for


class Registrations(RegistrationsClass):
    """Local RPC call methods."""

    def app_rpc_calculate(self, argv, details):
        """Work out {"expression": "2 * (3 + 4)"}: numbers, brackets and + - * / only."""
        del details
        try:
            result = self._value(ast.parse(self._text(argv), mode="eval").body)
        except (KeyError, TypeError):
            return self.fail("send an expression")
        except (SyntaxError, ValueError, ArithmeticError, RecursionError) as error:
            return self.fail(f"that cannot be worked out: {error}")
        return self.ok({"result": result}) if abs(result) < LARGEST else self.fail("the result is too large")

    async def app_rpc_wait(self, argv, details):
        """Answer after {"seconds": 1.5}, while other calls go on: an async method may await any Deferred."""
        del details
        seconds = argv.get("seconds", 1) if isinstance(argv, dict) else None
        if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WAIT:
            return self.fail(f"seconds is a number from 0 to {LONGEST_WAIT:g}")
        await deferLater(reactor, seconds)
        return self.ok({"waited": seconds})

    async def app_rpc_report(self, argv, details):
        """Ask another procedure, on whichever instance the router picks, and add to its answer."""
        del details
        found = await self.call("app.get.planets", argv)
        if found["status"] != "OK":
            return found
        return self.ok({"count": len(found["planets"]), "names": [planet["name"] for planet in found["planets"]]})

    def _text(self, argv):
        """Return the expression, if it is not too long to be read."""
        text = str(argv["expression"])
        if len(text) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST} characters")
        return text

    def _value(self, node):
        """Work out one part of the expression; a name that begins with _ is no procedure."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](self._value(node.left), self._value(node.right))
        raise ValueError("only numbers, brackets and + - * / are understood")
