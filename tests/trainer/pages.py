"""A page of the report as a test looks at it."""

import re
from html.parser import HTMLParser

VOID = {'meta', 'img', 'br', 'rect', 'line', 'path', 'circle', 'polyline'}


class Page(HTMLParser):
    """A page taken apart: its elements, attributes and text; what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != 'style':
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, with plain spaces."""
        return re.sub(r'\s+', ' ', ''.join(self.texts).replace('\u00a0', ' '))

    def attributes(self) -> list[tuple[str, str | None]]:
        return [pair for _, attributes in self.elements for pair in attributes.items()]
