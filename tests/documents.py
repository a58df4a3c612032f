"""What README and the other pages say: their text, their blocks, and the commands to type."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.stack import ROOT

#: Every page whose words must be true of the code as it is. The changelog also speaks of what was.
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(page for page in (ROOT / "examples").rglob("*.md") if "node_modules" not in page.parts),
]
#: Stands for anything in what a command shows.
ANYTHING = "…"
#: Blocks that show what the command before them prints.
_SHOWN = {"text", "json"}


def name_of(page: Path) -> str:
    """Return how a page is named from the repository's root."""
    return str(page.relative_to(ROOT))


class Block(NamedTuple):
    """A fenced block: its language, its text, and whether only blank lines part it from the one before."""

    language: str
    text: str
    follows: bool


@dataclass
class Command:
    """A command to type, and what it then shows, if the page says so."""

    line: str
    shown: str | None = None

    def shows(self, output: str) -> bool:
        """Tell whether an output is what the page shows, whatever its blanks."""
        pattern = re.escape(" ".join((self.shown or "").split()))
        # In quotes it stands for a value, elsewhere for as much as there is.
        pattern = pattern.replace(f'"{ANYTHING}"', '"[^"]*"').replace(f"\\ {ANYTHING}", f" ?{ANYTHING}")
        pattern = pattern.replace(ANYTHING, ".*")
        return re.fullmatch(pattern, " ".join(output.split())) is not None


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's blocks, those in lists too."""
    return _blocks(page.read_text())


def _blocks(text: str) -> Iterator[Block]:
    end = 0
    for found in re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE):
        indent, language, inside = found.groups()
        lines = (line.removeprefix(indent) for line in inside.splitlines())
        yield Block(language, "\n".join(lines), follows=not text[end : found.start()].strip())
        end = found.end()


def commands(page: Path) -> list[Command]:
    """Return the commands of a page's `sh` blocks, in their order."""
    found: list[Command] = []
    previous = ""
    for block in blocks(page):
        if block.language == "sh":
            found += [Command(line) for line in block.text.splitlines()]
        elif block.language in _SHOWN and block.follows and previous == "sh":
            found[-1].shown = block.text
        previous = block.language
    return found


def scripts(page: Path) -> dict[str, str]:
    """Return the commands under each heading of a page, as one script to run in a shell."""
    sections = re.split(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)[1:]
    return {
        heading: "\n".join(block.text for block in _blocks(text) if block.language == "sh")
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }


def prose(page: Path) -> str:
    """Return a page's text without its blocks."""
    return re.sub(r"^( *)```\w*\n.*?^\1```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def inline(page: Path) -> list[str]:
    """Return what stands between single backticks, on one line each."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]
