"""Line charts as SVG files of their own, as the report draws them."""

import re
from collections.abc import Sequence

from preprocess import files
from trainer import pages
from trainer.charts import Chart


def publish(charts: Sequence[Chart], folder: str) -> None:
    """Write each chart under its title, in the place of what an earlier evaluation drew."""
    files.delete_tree(folder)
    for chart in charts:
        files.write_atomic(files.join(folder, f'{_file_name(chart)}.svg'), svg(chart).encode())


def svg(chart: Chart) -> str:
    """A chart with its legend and everything that a viewer needs."""
    return pages.environment().get_template('chart_file.svg').render(chart=chart)


def _file_name(chart: Chart) -> str:
    return re.sub(r'\W+', '_', chart.title).lower()
