"""From the text of a rule to a tree of known words; nothing else comes through.

The words are checked before they are parsed: what is no name, number, text, comparison, and, or,
not, in, like, between, is null is refused by name, so that no statement, comment, cast, lambda or
parameter ever reaches the parser, and what it reads is short and flat enough not to hurt it.
"""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

MAX_CHARACTERS = 4_000
MAX_WORDS = 1_000
MAX_DEPTH = 30

# Before the name of each helper in the tree, so that the parser takes none for one of its own.
_MARK = "rule_"

_WORDS = {
    TokenType.VAR,
    TokenType.NUMBER,
    TokenType.STRING,
    TokenType.L_PAREN,
    TokenType.R_PAREN,
    TokenType.COMMA,
    TokenType.EQ,
    TokenType.NEQ,
    TokenType.GT,
    TokenType.GTE,
    TokenType.LT,
    TokenType.LTE,
    TokenType.PLUS,
    TokenType.DASH,
    TokenType.STAR,
    TokenType.SLASH,
    TokenType.AND,
    TokenType.OR,
    TokenType.NOT,
    TokenType.IN,
    TokenType.LIKE,
    TokenType.BETWEEN,
    TokenType.IS,
    TokenType.NULL,
    TokenType.TRUE,
    TokenType.FALSE,
}
# Controls, signs that are not seen, halves of letters and what is no letter at all.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_BLANKS = {"\t", "\n", "\r"}


class RuleError(Exception):
    """Why a rule is refused, in words for whoever wrote it."""


@dataclass(frozen=True)
class Condition:
    """One of the conditions that a rule joins by and: as it was written, and as a tree."""

    text: str
    node: exp.Expr


def read_rule(text: str, helpers: Collection[str]) -> list[Condition]:
    """The conditions of a rule, which must all hold; RuleError when it cannot be one."""
    if len(text) > MAX_CHARACTERS:
        raise RuleError(f"the rule has {len(text):,} characters; {MAX_CHARACTERS:,} are allowed")
    _check_characters(text)
    tokens = _tokens(text)
    _check_words(tokens, helpers)
    _check_depth(tokens)
    _check_neighbours(tokens)
    tree = _parse(tokens, helpers)
    nodes = list(flatten(tree, exp.And))
    texts = _texts(text, tokens) if len(nodes) > 1 else [text.strip()]
    return [Condition(text, node) for text, node in zip(texts, nodes, strict=True)]


def flatten(node: exp.Expr, kind: type[exp.Expr]) -> Iterable[exp.Expr]:
    """What a chain of and, or of or, joins, from left to right."""
    found: list[exp.Expr] = []
    while isinstance(node, kind):
        found.append(node.expression)
        node = node.this
    found.append(node)
    return reversed(found)


def helper_name(node: exp.Anonymous) -> str:
    """The name of the helper that a rule calls."""
    return str(node.this).removeprefix(_MARK)


def as_written(node: exp.Expr) -> str:
    """A part of a rule as text again, for messages and labels."""
    written = node.sql(dialect="duckdb", normalize_functions=False)
    return str(re.sub(rf"\b{_MARK}", "", written))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message: the known word that looks most like one that is not known."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def quoted(word: str) -> str:
    """A word of the user's for a message: short, and nothing in it that is not seen."""
    short = word if len(word) <= 40 else word[:40] + "..."
    return repr(short)


def _check_characters(text: str) -> None:
    for character in text:
        if character not in _BLANKS and unicodedata.category(character) in _UNPRINTABLE:
            raise RuleError(f"the character {_called(character)} may not stand in a rule")


def _called(character: str) -> str:
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "")
    return f"{code} ({name})" if name else code


def _tokens(text: str) -> list[Token]:
    try:
        tokens = list(DuckDB().tokenize(text))
    except SqlglotError:
        raise RuleError("a text or name in quotes does not end") from None
    if any(token.comments for token in tokens) or (not tokens and text.strip()):
        raise RuleError("a comment may not stand in a rule")
    if not tokens:
        raise RuleError("the rule is empty")
    if len(tokens) > MAX_WORDS:
        raise RuleError(f"the rule has {len(tokens):,} words; {MAX_WORDS:,} are allowed")
    return tokens


def _check_words(tokens: list[Token], helpers: Collection[str]) -> None:
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        word = token.text
        if token.token_type == TokenType.STRING:
            continue
        if token.token_type == TokenType.IDENTIFIER:
            raise RuleError(f"{quoted(word)} stands in double quotes; a text has single ones")
        foreign = next((char for char in word if not char.isascii()), None)
        if foreign:
            raise RuleError(f"in {quoted(word)}, {_called(foreign)} is no letter of a name")
        is_called = after is not None and after.token_type == TokenType.L_PAREN
        if is_called and word.lower() in helpers:
            continue
        if token.token_type not in _WORDS:
            raise RuleError(f"{quoted(word)} may not stand in a rule")
        if is_called and token.token_type == TokenType.VAR:
            raise RuleError(f"there is no helper {quoted(word)}{did_you_mean(word, helpers)}")


def _check_depth(tokens: list[Token]) -> None:
    depth = deepest = signs = most_signs = negations = 0
    for token in tokens:
        depth += token.token_type == TokenType.L_PAREN
        depth -= token.token_type == TokenType.R_PAREN
        if depth < 0:
            raise RuleError("a parenthesis is closed that was not opened")
        deepest = max(deepest, depth)
        is_sign = token.token_type in (TokenType.DASH, TokenType.PLUS)
        signs = signs + 1 if is_sign else 0
        most_signs = max(most_signs, signs)
        negations += token.token_type == TokenType.NOT
    if depth:
        raise RuleError("a parenthesis is not closed")
    # Each not may stand in the one before it, as in: not a = not b.
    if deepest > MAX_DEPTH or most_signs > 2 or negations > 2 * MAX_DEPTH:
        raise RuleError("the rule is nested too deeply; divide it by member_of")


def _parse(tokens: list[Token], helpers: Collection[str]) -> exp.Expr:
    marked = []
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        word, kind = token.text, token.token_type
        if kind != TokenType.STRING:
            word = word.lower()
            if after and after.token_type == TokenType.L_PAREN and word in helpers:
                word, kind = _MARK + word, TokenType.VAR
        marked.append(Token(kind, word, token.line, token.col, token.start, token.end, []))
    try:
        trees = DuckDB().parser().parse(marked, "")
    except (SqlglotError, RecursionError):
        trees = []
    if len(trees) != 1 or not isinstance(trees[0], exp.Expr):
        raise RuleError("the rule cannot be read: a value or an operator is missing")
    _check_tree(trees[0])
    return trees[0]


def _check_neighbours(tokens: list[Token]) -> None:
    """Refuse two values side by side, which SQL may read as a value and its alias."""
    values = {TokenType.VAR, TokenType.NUMBER, TokenType.STRING, TokenType.NULL}
    values |= {TokenType.TRUE, TokenType.FALSE}
    for token, after in pairwise(tokens):
        is_after_value = token.token_type in values | {TokenType.R_PAREN}
        if is_after_value and after.token_type in values:
            raise RuleError(f"an operator or a comma is missing before {quoted(after.text)}")
    if tokens[-1].token_type not in values | {TokenType.R_PAREN}:
        raise RuleError(f"something is missing after {quoted(tokens[-1].text)}")


def _check_tree(tree: exp.Expr) -> None:
    """Refuse a tree that is too deep to walk; chains of and and or count once."""
    level = [tree]
    for _ in range(4 * MAX_DEPTH):
        parts: list[exp.Expr] = []
        for node in level:
            is_chain = isinstance(node, exp.And | exp.Or)
            parts += flatten(node, type(node)) if is_chain else [node]
        level = [child for part in parts for child in part.iter_expressions()]
        if not level:
            return
    raise RuleError("the rule is nested too deeply; divide it by member_of")


def _texts(text: str, tokens: list[Token]) -> list[str]:
    """The parts of the text that its outermost ands join; that of a between joins nothing."""
    ends = []
    depth = open_betweens = 0
    for token in tokens:
        depth += token.token_type == TokenType.L_PAREN
        depth -= token.token_type == TokenType.R_PAREN
        if depth == 0 and token.token_type == TokenType.BETWEEN:
            open_betweens += 1
        elif depth == 0 and token.token_type == TokenType.AND:
            if open_betweens:
                open_betweens -= 1
            else:
                ends.append(token)
    starts = [0, *(token.end + 1 for token in ends)]
    stops = [*(token.start for token in ends), len(text)]
    return [text[a:b].strip() for a, b in zip(starts, stops, strict=True)]
