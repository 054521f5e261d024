"""Writes the two texts of Django that are embedded here: `python django.py <unpacked sdist>`."""

import gzip
import re
import sys
from pathlib import Path

CHARACTERS = 450_000
MARKUP = (" ", "\t", ".. ", "=", "-", "~", "*")


def running(paragraph: str) -> bool:
    """Whether a paragraph is running text: no code, list, heading or directive, and a sentence's end."""
    lines = paragraph.split("\n")
    plain = all(line and not line.startswith(MARKUP) and not re.fullmatch(r"\^{3,}", line) for line in lines)
    return plain and paragraph.endswith((".", ":")) and not paragraph.endswith("::")


def documentation(root: Path) -> str:
    """The running text of the guides, by path, up to a number of characters."""
    guides = sorted(str(path) for path in (root / "docs/topics").rglob("*.txt"))
    paragraphs = (part for guide in guides for part in re.split(r"\n\s*\n", Path(guide).read_text("utf-8")))
    return "\n\n".join(filter(running, paragraphs))[:CHARACTERS]


def code(root: Path) -> str:
    """The modules of `core` and `utils`, by path, each whole, until there are so many characters."""
    modules = sorted(str(path) for part in ("core", "utils") for path in (root / "django" / part).rglob("*.py"))
    text = ""
    for module in modules:
        if len(text) > CHARACTERS:
            break
        text += Path(module).read_text("utf-8")
    return text


def write(name: str, text: str) -> None:
    """Compressed, without a date: the same text gives the same file."""
    (Path(__file__).parent / name).write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    source = Path(sys.argv[1])
    write("django-topics.txt.gz", documentation(source))
    write("django.py.gz", code(source))
