"""gcloud, docker, curl and python for the scripts to call, first in PATH: what they are told and answer from."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[2] / 'scripts'
World = dict[str, Any]
# The real one for scripts; a quick stand-in for the modules that would load much.
_PYTHON = f"""#!/bin/bash
[[ $1 == -m ]] || exec {sys.executable} -SE "$@"
{{ printf '["python"' && printf ', "%s"' "$@" && printf ']\\n'; }} >>"$FAKE_FOLDER/calls"
case $2 in
  predict.images_to_json) echo '{{"instances": []}}' >"$6" && echo "Wrote 1 images to $6" ;;
  predict.local) echo '{{"key": "a", "prediction": 1, "label": "rose", "scores": [0.1, 0.9]}}' ;;
esac
"""
_EMPTY: World = {'endpoints': [], 'models': [], 'versions': [], 'label': 'rose', 'silent': 0, 'fails': []}


@dataclass(frozen=True)
class Tools:
    """Fakes in a folder of their own; `world` is what they answer from."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, **world: Any) -> 'Tools':
        (folder / 'bin').mkdir()
        source = f'#!{sys.executable} -SE\n{(SCRIPTS.parent / "tests/scripts/fake_tool.py").read_text()}'
        for name, content in {**dict.fromkeys(('gcloud', 'docker', 'curl'), source), 'python': _PYTHON}.items():
            (folder / 'bin' / name).write_text(content)
            (folder / 'bin' / name).chmod(0o755)
        tools = cls(folder)
        tools.change(**{**_EMPTY, **world})
        return tools

    @property
    def world(self) -> World:
        return json.loads((self.folder / 'world').read_text())

    def change(self, **world: Any) -> None:
        before = self.world if (self.folder / 'world').exists() else {}
        (self.folder / 'world').write_text(json.dumps({**before, **world}))

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / 'calls'
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        (self.folder / 'calls').unlink(missing_ok=True)

    def called(self, *words: str) -> list[list[str]]:
        """The calls that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]

    def run(self, script: str, *words: str, **environment: str) -> 'subprocess.CompletedProcess[str]':
        """A script, as a user without USER and with nothing else in PATH calls it."""
        return subprocess.run(
            ['bash', str(SCRIPTS / script), *words],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=self.folder,
            env={
                'PATH': f'{self.folder / "bin"}:/usr/bin:/bin',
                'FAKE_FOLDER': str(self.folder),
                'PYTHON': str(self.folder / 'bin' / 'python'),
                'DEPLOY_POLL_SECS': '0',
                'SERVE_POLL_SECS': '0',
                **environment,
            },
        )
