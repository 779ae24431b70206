"""Tools that only write down how they were called, first in PATH of a script: gcloud and python, by one file."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / 'scripts'
_TOOL = """#!{python} -SE
import json, os, sys
with open({calls!r}, 'a') as calls:
    calls.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + '\\n')
if sys.argv[1].endswith('stage_package.py'):
    print(sys.argv[2] + '/0123/headlight-0.1.0.tar.gz')
sys.exit(int(os.environ.get('ENDS_WITH', 0)))
"""


@dataclass(frozen=True)
class Recorder:
    """A folder with the tools; `calls` is what they were called with."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> 'Recorder':
        made = cls(folder)
        (folder / 'bin').mkdir(parents=True)
        for name in ('gcloud', 'python'):
            tool = folder / 'bin' / name
            tool.write_text(_TOOL.format(python=sys.executable, calls=str(made._file)))
            tool.chmod(0o755)
        return made

    @property
    def _file(self) -> Path:
        return self.folder / 'calls'

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []

    def run(self, script: str, *words: str, **environment: str) -> 'subprocess.CompletedProcess[str]':
        """A script from another folder, where neither USER nor HOME is set."""
        return subprocess.run(
            ['bash', str(SCRIPTS / script), *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env={
                'PATH': f'{self.folder / "bin"}{os.pathsep}/usr/bin{os.pathsep}/bin',
                'PYTHON': str(self.folder / 'bin' / 'python'),
                **environment,
            },
        )
