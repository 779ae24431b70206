"""A picture drawn once and kept twice: as PNG for every viewer, as SVG for print."""

import base64
import io
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preprocess import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 160
_MARGIN_INCHES = 0.08
# A page shows the lines themselves, unless these are so many that dots are smaller.
_LARGEST_SHOWN_SVG = 300_000
# Pictures are drawn for screens with fine pixels.
_PIXELS_PER_POINT = 1.75


@dataclass(frozen=True)
class Drawing:
    """A picture in two forms."""

    png: bytes
    svg: bytes

    @property
    def width(self) -> int:
        """How wide a page shows it."""
        # Bytes 16 to 20 of every PNG.
        return round(int(struct.unpack('>I', self.png[16:20])[0]) / _PIXELS_PER_POINT)

    def data_uri(self) -> str:
        """The picture as a page holds it."""
        kind, data = ('svg+xml', self.svg) if len(self.svg) <= _LARGEST_SHOWN_SVG else ('png', self.png)
        return f'data:image/{kind};base64,' + base64.b64encode(data).decode()


def render(figure: 'Figure') -> Drawing:
    """Both forms of a matplotlib figure; needs no screen."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    png, svg = io.BytesIO(), io.BytesIO()
    style: dict[str, Any] = {'bbox_inches': 'tight', 'pad_inches': _MARGIN_INCHES, 'facecolor': 'white'}
    # The same drawing gives the same bytes.
    with warnings.catch_warnings(), matplotlib.rc_context({'svg.fonttype': 'path', 'svg.hashsalt': 'headlight'}):
        # A label in a script that the font lacks is drawn as boxes; its name stands in the tables beside.
        warnings.filterwarnings('ignore', message='Glyph .* missing from')
        figure.savefig(png, format='png', dpi=_DPI, metadata={'Software': None}, **style)
        figure.savefig(svg, format='svg', metadata={'Date': None, 'Creator': None}, **style)
    return Drawing(png.getvalue(), svg.getvalue())


def write(drawing: Drawing, png_path: str) -> None:
    """Write the PNG, and the SVG beside it."""
    files.write_atomic(png_path, drawing.png)
    files.write_atomic(svg_path(png_path), drawing.svg)


def remove(png_path: str) -> None:
    """Remove both forms of what an earlier run drew."""
    files.delete(png_path)
    files.delete(svg_path(png_path))


def svg_path(png_path: str) -> str:
    """Where the SVG beside a PNG is."""
    return png_path.removesuffix('.png') + '.svg'
