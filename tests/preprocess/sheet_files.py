"""Sheets as labs write them, for tests."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

LAB_HEADER = 'ignore,PROCEDURE,Original_Start_Time,Original_Stop_Time,Video_Start,Video_Stop,Total_Time'


def clock(seconds: float, *, begin: str = '09:21:58:740439', day: str = '2019-04-04') -> str:
    """A time of the lab's: so many seconds after the clap."""
    hours, minutes, whole, fraction = begin.split(':')
    moment = datetime.datetime.fromisoformat(f'{day} {hours}:{minutes}:{whole}.{fraction}')
    return (moment + datetime.timedelta(seconds=seconds)).strftime('%Y-%m-%d %H:%M:%S:%f')


def lab_sheet(path: Path, rows: Sequence[tuple[str, float | None, float | None]], *, header: str = LAB_HEADER) -> str:
    """A rawcsv of rows (label, start, stop in seconds after the clap, None for no time); the clap comes first."""
    lines = [header, f'clap,CLAP,{clock(0)},{clock(0)},-00:03:20.15,"-6,004.35",00:00.00']
    for label, start, stop in rows:
        times = ['' if time is None else clock(time) for time in (start, stop)]
        lines.append(f'{label.title()},{label},{times[0]},{times[1]},00:00:00.00,"1,954.80",00:33.81')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes('\r\n'.join([*lines, '']).encode())
    return str(path)


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]], *, hidden: Sequence[str] = ()) -> str:
    """An Excel file."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
        if title in hidden:
            sheet.sheet_state = 'hidden'
    book.save(path)
    return str(path)
