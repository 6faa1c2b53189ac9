"""The language of audiences: conditions on names, joined by `and`, `or`, `not` and brackets. Parsed here, never evaluated as code.

expression = all ("or" all)*          all = one ("and" one)*          one = "not" one | "(" expression ")" | condition
condition  = name ("=" | "!=" | "<" | "<=" | ">" | ">=") value | name ["not"] "in" "(" value ("," value)* ")"
           | name "has" value | name "is" ["not"] "known"
name       = a tag, a column of the portrait, or chance("target") of the predictions
             A tag is one that is not stale; any(tag) is it stale or not, stale(tag) only where it is stale.
value      = one word, "quoted text", or a number, also as a percentage: 20 %
"""

import re
from dataclasses import dataclass
from typing import Union

from portrait_assets.errors import PortraitError

TOKEN = re.compile(r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<op><=|>=|!=|=|<|>)|(?P<mark>[(),%])|(?P<word>[^\s"'()<>=!,%]+))""")
RESERVED = ("and", "or", "not", "in", "has", "is")
ORDERED = ("<", "<=", ">", ">=")
DEEPEST = 50
AGES = ("any", "stale")  # of a tag, instead of a fresh one
OF_AGE = re.compile(r"(any|stale)\((.*)\)")


@dataclass(frozen=True)
class Condition:
    """One condition on one name. `values` are texts as written; numbers and dates are read by what the name holds."""

    name: str
    op: str
    """`=`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `has`, or `known`."""
    values: tuple[str, ...]

    @property
    def target(self) -> str | None:
        """The prediction meant by `chance("target")`."""
        return self.name[len('chance("') : -2] if self.name.startswith('chance("') else None

    @property
    def age(self) -> str:
        """Of a tag: `fresh`, or as `any(tag)` and `stale(tag)` say."""
        found = OF_AGE.fullmatch(self.name)
        return found[1] if found else "fresh"

    @property
    def subject(self) -> str:
        """The tag or column that the name means: `churn_risk` of `any(churn_risk)`."""
        found = OF_AGE.fullmatch(self.name)
        return found[2] if found else self.name

    def __str__(self) -> str:
        if self.op == "known":
            return f"{self.name} is known"
        shown = [
            value if re.fullmatch(r"[^\s\"'()<>=!,%]+", value) and value not in RESERVED else _quoted(value)
            for value in self.values
        ]
        return f"{self.name} in ({', '.join(shown)})" if self.op == "in" else f"{self.name} {self.op} {shown[0]}"


@dataclass(frozen=True)
class Not:
    """Those of whom `part` does not hold."""

    part: "Expression"

    def __str__(self) -> str:
        return f"not ({self.part})"


@dataclass(frozen=True)
class Joined:
    """`parts` joined by one word, `and` or `or`."""

    word: str
    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({part})" if isinstance(part, Joined) else str(part) for part in self.parts)


Expression = Union[Condition, Not, Joined]


def parse(text: str) -> Expression:
    """The expression that `text` says; PortraitError with the place where it stops making sense."""
    return _Parser(text).whole()


def conditions(expression: Expression) -> list[Condition]:
    """Every condition in it, in the order written."""
    if isinstance(expression, Condition):
        return [expression]
    parts = (expression.part,) if isinstance(expression, Not) else expression.parts
    return [condition for part in parts for condition in conditions(part)]


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise PortraitError(
                f"audience, character {place + 1}: {text[place]!r} has no meaning here; is a quotation mark missing?"
            )
        kind = str(match.lastgroup)
        said = match.group(kind)
        found.append(_Token(kind, said[1:-1] if kind == "quoted" else said, match.start(kind)))
        at = match.end()
    return found


class _Parser:
    """Recursive descent, one method a rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.next, self.depth = text, _tokens(text), 0, 0

    def whole(self) -> Expression:
        if not self.tokens:
            raise PortraitError('the audience says nothing; for example: lifecycle = lapsing and categories has "CHEESE"')
        expression = self.any_of()
        if self.next < len(self.tokens):
            raise self.expected("'and', 'or' or the end")
        return expression

    def any_of(self) -> Expression:
        return self.joined("or", self.all_of)

    def all_of(self) -> Expression:
        return self.joined("and", self.one)

    def joined(self, word: str, part) -> Expression:
        parts = [part()]
        while self.took(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def one(self) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            raise PortraitError(f"the audience nests deeper than {DEEPEST} brackets; write it flatter")
        try:
            if self.took("not"):
                return Not(self.one())
            if self.took("("):
                inside = self.any_of()
                self.need(")")
                return inside
            return self.condition()
        finally:
            self.depth -= 1

    def condition(self) -> Expression:
        name = self.name()
        if self.took("is"):
            negated = self.took("not")
            self.need("known")
            return self.negated(negated, Condition(name, "known", ()))
        negated = self.took("not")
        if self.took("in"):
            self.need("(")
            values = [self.value()]
            while self.took(","):
                values.append(self.value())
            self.need(")")
            return self.negated(negated, Condition(name, "in", tuple(values)))
        if negated:
            raise self.expected("'in'")
        if self.took("has"):
            return Condition(name, "has", (self.value(),))
        if self.next < len(self.tokens) and self.tokens[self.next].kind == "op":
            op = self.tokens[self.next].text
            self.next += 1
            return Condition(name, op, (self.value(),))
        raise self.expected(f"a comparison after '{name}' (= != < <= > >= in has is)")

    @staticmethod
    def negated(negated: bool, condition: Condition) -> Expression:
        return Not(condition) if negated else condition

    def name(self) -> str:
        name = self.token("word", "a name")
        if name in AGES and self.took("("):
            name = f"{name}({self.token('word', 'a tag')})"
            self.need(")")
            return name
        if name != "chance":
            return name
        self.need("(")
        target = self.token("quoted", 'a quoted prediction, as in chance("churn_14d")')
        self.need(")")
        return f'chance("{target}")'

    def value(self) -> str:
        quoted = self.next < len(self.tokens) and self.tokens[self.next].kind == "quoted"
        text = self.token("quoted" if quoted else "word", "a value")
        if not quoted and self.took("%"):
            try:
                return repr(round(float(text) / 100, 12))
            except ValueError:
                raise PortraitError(f"audience: '{text} %' is not a percentage; write a number before the %") from None
        return text

    def token(self, kind: str, what: str) -> str:
        if self.next >= len(self.tokens) or self.tokens[self.next].kind != kind:
            raise self.expected(what)
        token = self.tokens[self.next]
        if kind == "word" and token.text in RESERVED:
            raise self.expected(f"{what} (quote a value that is one of {', '.join(RESERVED)})")
        self.next += 1
        return token.text

    def took(self, text: str) -> bool:
        """Whether the next token is this word or mark, which is then behind us; a quoted one is not."""
        here = self.tokens[self.next] if self.next < len(self.tokens) else None
        if here is None or here.kind == "quoted" or here.text != text:
            return False
        self.next += 1
        return True

    def need(self, text: str) -> None:
        if not self.took(text):
            raise self.expected(f"'{text}'")

    def expected(self, what: str) -> PortraitError:
        if self.next >= len(self.tokens):
            return PortraitError(f"audience: {what} is missing at the end of: {self.text.strip()}")
        token = self.tokens[self.next]
        hint = "; quote a value of several words" if token.kind == "word" and self.next else ""
        return PortraitError(f"audience, character {token.at + 1}: expected {what}, found '{token.text}'{hint}")
