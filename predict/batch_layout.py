"""What a batch of predictions is called on disk: which files, and which of them belong to an earlier run."""

import re
from dataclasses import dataclass

from preprocess import files
from preprocess.set_names import SetName

_DEFAULT = 'predictions'
_ONE_FILE = '.jsonl'


@dataclass(frozen=True)
class Layout:
    """The files of one batch: a folder and the name they begin with; `is_one_file`: all lines in NAME.jsonl."""

    directory: str
    stem: str
    is_one_file: bool = False

    @classmethod
    def of(cls, output_path: str) -> 'Layout':
        """What --output_path means: a PREFIX, a folder (there already, or with a slash behind), or FILE.jsonl."""
        path = files.without_scheme(output_path)
        if path.endswith('/') or files.is_dir(path):
            return cls(path.rstrip('/') or '/', _DEFAULT)
        name = files.name(path)
        if name.endswith(_ONE_FILE) and name != _ONE_FILE:
            return cls(files.parent(path), name.removesuffix(_ONE_FILE), is_one_file=True)
        return cls(files.parent(path), name)

    @property
    def set_name(self) -> SetName:
        """Under which the machinery of embedding keeps what isn't finished."""
        return SetName(self.directory, self.stem)

    @property
    def prefix(self) -> str:
        """What all names begin with."""
        return files.join(self.directory, self.stem)

    def lines(self, index: int, of: int) -> str:
        """The name of one file of JSON Lines."""
        return f'{self.stem}{_ONE_FILE}' if self.is_one_file else f'{self.stem}-{index:05d}-of-{of:05d}{_ONE_FILE}'

    @property
    def table(self) -> str:
        """The name of the CSV."""
        return f'{self.stem}.csv'

    @property
    def scores(self) -> str:
        """Of footage: the name of the CSV with the scores of every frame or window."""
        return f'{self.stem}.scores.csv'

    @property
    def segments(self) -> str:
        """Of footage: the name of the CSV with the segments."""
        return f'{self.stem}.segments.csv'

    @property
    def boris(self) -> str:
        """Of footage: the folder of workbooks."""
        return f'{self.stem}.boris'

    @property
    def record(self) -> str:
        """What tells that the result is whole, and how it was made."""
        return f'{self.stem}.run.json'

    @property
    def listing(self) -> str:
        """What was found under a folder or pattern, while the run needs to know it."""
        return f'.{self.stem}.listing.csv'

    def path(self, name: str) -> str:
        """Where a file is."""
        return files.join(self.directory, name)

    def owns(self, name: str) -> bool:
        """Whether a file name is one of this batch's results."""
        if name in (self.table, self.scores, self.segments, f'{self.stem}{_ONE_FILE}'):
            return True
        return re.fullmatch(re.escape(self.stem) + r'-\d{5,}-of-\d{5,}\.jsonl', name) is not None
