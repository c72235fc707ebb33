"""A report as headings, sentences, tables and figures, written as HTML (all in one file) or as Markdown."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of short lines."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Commands, as they are typed."""

    text: str


@dataclass(frozen=True)
class Table:
    """``head`` names the columns; every row has as many cells."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A picture: encoded bytes, their type such as "png", and what it shows. Markdown leaves it out."""

    data: bytes
    kind: str
    caption: str

    @property
    def uri(self) -> str:
        """The bytes as a data: address, so that no second file is needed."""
        return f"data:image/{self.kind};base64,{b64encode(self.data).decode()}"


Block = Text | Points | Code | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading, 2 to 4 deep, and what stands below it."""

    title: str
    blocks: Sequence[Block]
    level: int = 2


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; vertical-align: top }
th { background: #f3f1ee } img { max-width: 100% } figure { margin: 1rem 0 } pre { background: #f3f1ee; padding: 1rem }
figcaption { color: #666 } .wide { overflow-x: auto }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181716 } th, pre { background: #2a2826 }
  th, td { border-color: #444 } figure img { background: #fff } }
</style></head><body>
<h1>{{ title }}</h1>
{% for section in sections %}<h{{ section.level }}>{{ section.title }}</h{{ section.level }}>
{% for block in section.blocks %}{% set kind = block.__class__.__name__ -%}
{% if kind == "Text" %}<p>{{ block.text }}</p>
{% elif kind == "Points" %}<ul>{% for line in block.lines %}<li>{{ line }}</li>{% endfor %}</ul>
{% elif kind == "Code" %}<pre>{{ block.text }}</pre>
{% elif kind == "Figure" %}<figure><img src="{{ block.uri }}" alt="{{ block.caption }}">
<figcaption>{{ block.caption }}</figcaption></figure>
{% else %}<div class="wide"><table><tr>{% for name in block.head %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in block.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% endif %}{% endfor %}{% endfor %}</body></html>
"""


def html(title: str, sections: Sequence[Section]) -> str:
    """One self-contained page. Everything is escaped: file names come from anywhere."""
    return Environment(autoescape=True).from_string(_PAGE).render(title=title, sections=sections)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The same without the figures, and without sections that have nothing else."""
    lines = [f"# {title}", ""]
    for section in sections:
        if all(isinstance(block, Figure) for block in section.blocks):
            continue
        lines += [f"{'#' * section.level} {section.title}", ""]
        for block in section.blocks:
            if not isinstance(block, Figure):
                lines += [*_lines(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _lines(block: Text | Points | Code | Table) -> list[str]:
    if isinstance(block, Text):
        return [block.text]
    if isinstance(block, Points):
        return [f"- {line}" for line in block.lines]
    if isinstance(block, Code):
        return ["```sh", block.text, "```"]
    rows = [block.head, ["---"] * len(block.head), *block.rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
