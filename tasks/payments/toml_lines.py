"""Where something stands in a TOML text, since tomllib keeps no lines.

It reads a text that tomllib has read already, so it need not find what is wrong with one. What cannot hold
the thing that is looked for is stepped over by a regular expression: a list may have thousands of items.
"""

import re
import tomllib

#: What leads to a value: names of tables and keys, and numbers of array elements from 0.
Path = tuple[int | str, ...]

# Possessive (`*+`), so that no text makes the search go back and forth.
_COMMENT = r"#[^\n]*+"
_QUOTED = r'"(?:\\.|[^"\\])*+"' + r"|'[^']*+'"
_STRING = r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' + r"|'''.*?'''(?:'{0,2})" + rf"|{_QUOTED}"
_NAME = rf"(?:{_QUOTED}|[\w-]++)"
_KEY = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*+"
_ASSIGNED = r"[ \t]*=[ \t]*"
_NO_BRACKETS = rf"(?:[^\[\]{{}}\"'#]++|{_STRING}|{_COMMENT})*+"
_INLINE_TABLE = rf"\{{{_NO_BRACKETS}\}}"
#: A value, unless brackets stand in it deeper than in an array of inline tables.
_PLAIN = (
    rf"(?:{_INLINE_TABLE}|\[(?:{_NO_BRACKETS}{_INLINE_TABLE})*+{_NO_BRACKETS}\]"
    rf"|{_STRING}|[^\s,\[\]{{}}\"'#][^,\]}}\n#]*+)"
)


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


_find_names = _compile(_NAME).findall
_match_plain = _compile(_PLAIN).match
_match_key = _compile(rf"({_KEY}){_ASSIGNED}").match
_match_header_or_key = _compile(rf"(\[\[?)[ \t]*({_KEY})[ \t]*\]\]?|({_KEY}){_ASSIGNED}").match
_BLANK = _compile(rf"(?:\s++|{_COMMENT})*+")
_BETWEEN_ELEMENTS = _compile(rf"(?:[\s,]++|{_COMMENT})*+")
_PLAIN_ASSIGNMENTS = _compile(rf"(?:\s++|{_COMMENT}|{_KEY}{_ASSIGNED}{_PLAIN})*+")
_UP_TO_BRACKET = _compile(_NO_BRACKETS)


def line_of(text: str, path: Path) -> int:
    """Return the line, from 1, on which the longest beginning of `path` that the text holds came in.

    A table came in with the first header or key that names it, an array with its bracket, anything else with
    its end. The text must be good TOML.
    """
    search = _Search(text, path)
    search.run()
    return text.count("\n", 0, search.offset) + 1


class _Search:
    """Goes through a text once, and keeps where the longest beginning of a path came in."""

    def __init__(self, text: str, path: Path) -> None:
        self.offset = 0
        self._text = text
        self._path = path
        self._length = 0
        self._names = _only_names(path)
        self._names_seen = 0
        #: How many elements each array of tables has so far.
        self._elements: dict[Path, int] = {}

    def run(self) -> None:
        """Look at every header, and at every key that may be part of the path."""
        table: Path = ()
        position = self._skip(_BLANK, 0)
        while found := _match_header_or_key(self._text, position):
            position = found.end()
            if found[1]:
                table = self._enter(_names(found[2]), position, is_element=found[1] == "[[")
            else:
                self._visit((*table, *_names(found[3])), position)
                position = self._end(position)
            is_promising = table == self._path[: len(table)]
            position = self._skip(_BLANK if is_promising else _PLAIN_ASSIGNMENTS, position)

    def _enter(self, names: Path, offset: int, *, is_element: bool) -> Path:
        """Return the path of the table that a header opens, as far as the path that is looked for matters."""
        if names != self._names[: len(names)] and _common(names, self._names) <= self._names_seen:
            return names
        table: Path = ()
        for depth, name in enumerate(names, 1):
            table = (*table, name)
            if is_element and depth == len(names):
                self._elements[table] = self._elements.get(table, 0) + 1
            if table in self._elements:
                table = (*table, self._elements[table] - 1)
        self._note(_common(table, self._path), offset)
        return table

    def _visit(self, own: Path, start: int) -> None:
        """Look at the value at `start`, whose path is `own`."""
        common = _common(own, self._path)
        is_array = self._text[start] == "["
        if common > self._length:
            self._note(common, start if is_array else self._end(start))
        if common < len(own) or self._text[start] not in "[{":
            return
        position = self._skip(_BETWEEN_ELEMENTS, start + 1)
        number = 0
        while self._text[position] not in "]}":
            names: Path = (number,)
            if not is_array and (key := _match_key(self._text, position)):
                names, position = _names(key[1]), key.end()
            self._visit((*own, *names), position)
            position = self._skip(_BETWEEN_ELEMENTS, self._end(position))
            number += 1

    def _note(self, length: int, offset: int) -> None:
        if length > self._length:
            self._length, self.offset = length, offset
            self._names_seen = len(_only_names(self._path[:length]))

    def _end(self, start: int) -> int:
        """Return the offset behind the value at `start`."""
        if plain := _match_plain(self._text, start):
            return plain.end()
        depth, position = 1, start
        while depth:
            position = self._skip(_UP_TO_BRACKET, position + 1)
            depth += 1 if self._text[position] in "[{" else -1
        return position + 1

    def _skip(self, pattern: re.Pattern[str], start: int) -> int:
        found = pattern.match(self._text, start)
        return found.end() if found else start


def _names(key: str) -> Path:
    """Return the names in a dotted key."""
    if '"' in key or "'" in key:
        return tuple(map(_unquoted, _find_names(key)))
    return tuple(map(str.strip, key.split(".")))


def _unquoted(name: str) -> str:
    if "\\" in name and name[0] == '"':
        text: str = tomllib.loads(f"name = {name}")["name"]
        return text
    return name[1:-1] if name[0] in "\"'" else name


def _only_names(path: Path) -> Path:
    return tuple(part for part in path if isinstance(part, str))


def _common(own: Path, path: Path) -> int:
    """Return how many parts two paths begin with in common."""
    if own == path[: len(own)]:
        return len(own)
    return next((n for n, (one, other) in enumerate(zip(own, path, strict=False)) if one != other), len(path))
