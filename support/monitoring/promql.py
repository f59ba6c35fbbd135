"""Expressions of PromQL as trees: which series they read, and which labels their results have.

Source: https://prometheus.io/docs/prometheus/latest/querying/basics/ and operators/ beside it. Whether an
expression is valid is for promtool to decide; some invalid ones are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from support.errors import CheckFailed

AGGREGATIONS = frozenset(
    ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"]
)
COMPARISONS = frozenset(["==", "!=", ">", "<", ">=", "<="])
SET_OPERATORS = frozenset(["and", "or", "unless"])
PRECEDENCE = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(COMPARISONS, 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
    "atan2": 5,
    "^": 6,
}
_TOKEN = re.compile(
    r"""\s+ | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*') | (?P<range>\[[^\]]*\])
    | (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+|(?:ms|[smhdwy])\b)?) | (?P<name>[a-zA-Z_:$][\w:$]*)
    | (?P<operator>==|!=|>=|<=|=~|!~|[-+*/%^<>=,(){}])""",
    re.VERBOSE,
)
Labels = frozenset[str]


class UnreadableQuery(CheckFailed):
    """An expression that cannot be PromQL."""


@dataclass(frozen=True)
class Matcher:
    """`status=~"5.."`."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True)
class Node:
    """A part of an expression."""

    def children(self) -> Sequence[Node]:
        return ()


@dataclass(frozen=True)
class Literal(Node):
    """A number or a string."""

    text: str


@dataclass(frozen=True)
class Selector(Node):
    """Series; `range`: `5m` of `[5m]`, or empty."""

    name: str
    matchers: Sequence[Matcher]
    range: str = ""

    def matcher(self, label: str) -> Matcher | None:
        """The first one for a label."""
        return next((one for one in self.matchers if one.label == label), None)


@dataclass(frozen=True)
class Call(Node):
    """A function; `subquery` for a range behind an expression."""

    name: str
    arguments: Sequence[Node]

    def children(self) -> Sequence[Node]:
        return self.arguments


@dataclass(frozen=True)
class Aggregation(Node):
    """`sum by (model) (...)`; `clause`: by, without, or empty."""

    name: str
    clause: str
    labels: Labels
    arguments: Sequence[Node]

    def children(self) -> Sequence[Node]:
        return self.arguments


@dataclass(frozen=True)
class Binary(Node):
    """`matching`: on, ignoring, or empty; `grouping`: group_left, group_right, or empty."""

    operator: str
    left: Node
    right: Node
    matching: str = ""
    labels: Labels = field(default_factory=frozenset)
    grouping: str = ""
    returns_bool: bool = False

    def children(self) -> Sequence[Node]:
        return (self.left, self.right)


def parse(expression: str) -> Node:
    """The tree of an expression; raises `UnreadableQuery`."""
    return _Parser(expression).whole()


def parts(node: Node, around: Sequence[Node] = ()) -> Iterator[tuple[Node, Sequence[Node]]]:
    """Each part with those around it, the innermost first."""
    yield node, around
    for child in node.children():
        yield from parts(child, [node, *around])


def selectors(node: Node) -> list[Selector]:
    """The series that it reads."""
    return [part for part, _ in parts(node) if isinstance(part, Selector)]


def labels_of(node: Node, series: Mapping[str, Labels]) -> Labels | None:
    """The labels of the result, by those of the series; None for a number, which has none."""
    if isinstance(node, Selector):
        return series.get(node.name, frozenset())
    if isinstance(node, Aggregation):
        inner = labels_of(node.arguments[-1], series) or frozenset()
        if node.name in ("topk", "bottomk"):
            return inner
        return node.labels if node.clause == "by" else inner - node.labels if node.clause else frozenset()
    if isinstance(node, Call):
        return _labels_of_call(node, series)
    if isinstance(node, Binary):
        left, right = labels_of(node.left, series), labels_of(node.right, series)
        if left is None or right is None:
            return right if left is None else left
        if node.grouping or node.operator in ("and", "unless"):
            return right if node.grouping == "group_right" else left
        if node.operator == "or":
            return left | right
        return node.labels if node.matching == "on" else left - node.labels
    return None


def _labels_of_call(node: Call, series: Mapping[str, Labels]) -> Labels | None:
    if node.name in ("vector", "time", "scalar"):
        return frozenset() if node.name == "vector" else None
    inner = [labels for argument in node.arguments if (labels := labels_of(argument, series)) is not None]
    if node.name in ("absent", "absent_over_time"):
        found = [m.label for s in selectors(node) for m in s.matchers if m.operator == "="]
        return frozenset(found)
    labels = inner[-1] if inner else None
    return labels - {"le"} if labels is not None and node.name == "histogram_quantile" else labels


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


class _Parser:
    """By precedence; a range or an offset behind something belongs to it."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = [*_tokens(expression), _Token("end", "")]
        self._at = 0

    def whole(self) -> Node:
        node = self._binary(1)
        if self._next.kind != "end":
            raise self._error(f"{self._next.text!r} is not expected")
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> str:
        token = self._next
        if token.kind == "end" or (texts and token.text not in texts):
            raise self._error(f"{' or '.join(texts) or 'something'} is missing before {token.text!r}")
        self._at += 1
        return token.text

    def _taken(self, *texts: str) -> str:
        """The next one, if it is one of these."""
        return self._take() if self._next.kind != "string" and self._next.text in texts else ""

    def _error(self, what: str) -> UnreadableQuery:
        return UnreadableQuery(f"{what}: {self._expression}")

    def _binary(self, least: int) -> Node:
        left = self._unary()
        while (power := PRECEDENCE.get(self._next.text, 0)) >= least and self._next.kind != "string":
            operator = self._take()
            returns_bool = bool(self._taken("bool"))
            matching = self._taken("on", "ignoring")
            labels = self._labels() if matching else frozenset()
            grouping = self._taken("group_left", "group_right")
            if grouping and self._next.text == "(":
                self._labels()
            # `^` binds to the right.
            right = self._binary(power if operator == "^" else power + 1)
            left = Binary(operator, left, right, matching, labels, grouping, returns_bool)
        return left

    def _unary(self) -> Node:
        if self._taken("-", "+"):
            return Binary("*", Literal("-1"), self._binary(PRECEDENCE["^"]))
        node = self._primary()
        while True:
            if self._next.kind == "range":
                node = self._ranged(node, self._take()[1:-1])
            elif self._taken("offset"):
                self._take()
            else:
                return node

    def _ranged(self, node: Node, span: str) -> Node:
        if isinstance(node, Selector):
            return Selector(node.name, node.matchers, span)
        return Call("subquery", [node])

    def _primary(self) -> Node:
        token = self._next
        if token.kind in ("number", "string"):
            return Literal(self._take())
        if token.text == "{":
            return Selector("", self._matchers())
        if self._taken("("):
            node = self._binary(1)
            self._take(")")
            return node
        if token.kind != "name":
            raise self._error(f"{token.text!r} is not expected" if token.text else "it ends too early")
        name = self._take()
        if name in AGGREGATIONS and self._next.text in ("by", "without", "("):
            clause = self._taken("by", "without")
            labels = self._labels() if clause else frozenset()
            arguments = self._arguments()
            if not clause and (clause := self._taken("by", "without")):
                labels = self._labels()
            return Aggregation(name, clause, labels, arguments)
        if self._next.text == "(":
            return Call(name, self._arguments())
        return Selector(name, self._matchers() if self._next.text == "{" else [])

    def _arguments(self) -> Sequence[Node]:
        self._take("(")
        found: list[Node] = []
        while not self._taken(")"):
            found.append(self._binary(1))
            if self._next.text != ")":
                self._take(",")
        return found

    def _labels(self) -> Labels:
        self._take("(")
        found = set()
        while not self._taken(")"):
            found.add(self._take())
            if self._next.text != ")":
                self._take(",")
        return frozenset(found)

    def _matchers(self) -> Sequence[Matcher]:
        self._take("{")
        found = []
        while not self._taken("}"):
            label, operator = self._take(), self._take("=", "!=", "=~", "!~")
            if self._next.kind != "string":
                raise self._error(f"the value of {label} is no string")
            found.append(Matcher(label, operator, self._take()[1:-1]))
            if self._next.text != "}":
                self._take(",")
        return found


def _tokens(expression: str) -> Iterator[_Token]:
    position = 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        if token is None:
            raise UnreadableQuery(f"{expression[position]!r} is not expected: {expression}")
        if token.lastgroup:
            yield _Token(token.lastgroup, token[0])
        position = token.end()
