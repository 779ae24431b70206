"""Who imports whom: read from the source, and seen in fresh processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ('preprocess', 'trainer', 'predict')
MODULES = {
    '.'.join(path.relative_to(ROOT).with_suffix('').parts): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob('*.py'))
    if path.name != '__init__.py'
}
ENTRY_POINTS = {
    'preprocess.create_docs',
    'preprocess.run',
    'preprocess.store',
    'preprocess.frames',
    'preprocess.motion',
    'preprocess.ranges',
    'trainer.task',
    'trainer.evaluate',
    'trainer.baseline',
    'trainer.export',
    'predict.local',
    'predict.batch',
    'predict.images_to_json',
    'predict.web',
}
BEAM_FILES = {
    'preprocess.transforms',
    'preprocess.steps',
    'preprocess.embed_step',
    'preprocess.footage_steps',
    'preprocess.frame_embed_step',
    'preprocess.jobs',
    'preprocess.dataflow_submission',
    'preprocess.worker_process',
    'preprocess.command',
}
HEAVY_FOR_WORKERS = {'rich', 'matplotlib', 'sklearn', 'tensorboard', 'keras', 'trainer', 'predict'}


def imported(module: str, *, at_top: bool = False) -> set[str]:
    """Full names of what `module` imports, anywhere or only when it is itself imported."""
    tree = ast.parse(MODULES[module].read_text())
    nodes = tree.body if at_top else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f'{node.module}.{alias.name}' for alias in node.names)
    return found


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name in MODULES}


def top_levels(names: set[str]) -> set[str]:
    return {name.partition('.')[0] for name in names}


@pytest.mark.parametrize(
    ('package', 'stranger'),
    [('preprocess', 'trainer'), ('preprocess', 'predict'), ('trainer', 'predict'), ('predict', 'trainer')],
)
def test_the_packages_meet_in_files_not_in_imports(package: str, stranger: str) -> None:
    guilty = [m for m in MODULES if m.startswith(package + '.') and stranger in top_levels(imported(m))]
    assert guilty == []


def test_beam_stays_in_its_files() -> None:
    guilty = {module for module in MODULES if 'apache_beam' in top_levels(imported(module))}
    assert guilty <= BEAM_FILES


def test_imports_form_no_cycle() -> None:
    # Imports inside functions count too: they only hide a cycle.
    edges = {module: ours(imported(module)) - {module} for module in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, ' -> '.join((*path, module))
        if module not in done:
            for other in sorted(edges[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_only_entry_points_know_entry_points() -> None:
    guilty = {
        (module, entry)
        for module in MODULES
        if module not in ENTRY_POINTS
        for entry in ours(imported(module)) & ENTRY_POINTS
    }
    assert guilty == set()


def test_the_package_files_stay_empty() -> None:
    assert [package for package in PACKAGES if (ROOT / package / '__init__.py').read_text()] == []


@pytest.mark.parametrize(
    ('module', 'absent'),
    [
        ('trainer.task', {'apache_beam', 'tensorflow', 'predict'}),
        ('trainer.evaluate', {'apache_beam', 'tensorflow', 'sklearn', 'matplotlib', 'predict'}),
        ('trainer.baseline', {'apache_beam', 'tensorflow', 'sklearn', 'matplotlib', 'predict', 'av'}),
        ('predict.local', {'apache_beam', 'tensorflow', 'trainer'}),
        ('predict.images_to_json', {'apache_beam', 'tensorflow', 'trainer'}),
        ('predict.batch', {'apache_beam', 'tensorflow', 'trainer', 'rich', 'av'}),
        (
            'predict.batch_product',
            {'apache_beam', 'tensorflow', 'trainer', 'rich', 'matplotlib', 'sklearn', 'tensorboard'},
        ),
        ('predict.web', {'apache_beam', 'tensorflow', 'trainer', 'starlette', 'uvicorn'}),
        ('preprocess.create_docs', {'apache_beam', 'tensorflow'}),
        ('preprocess.run', {'apache_beam', 'tensorflow'}),
        ('preprocess.store', {'apache_beam', 'tensorflow', 'rich'}),
        ('preprocess.frames', {'apache_beam', 'tensorflow', 'rich', 'av'}),
        ('preprocess.motion', {'apache_beam', 'tensorflow', 'rich', 'av'}),
        ('preprocess.ranges', {'apache_beam', 'tensorflow', 'rich', 'av', 'openpyxl'}),
        ('pipeline', {'apache_beam', 'tensorflow', 'sklearn', 'matplotlib', 'rich'}),
        ('preprocess.transforms', HEAVY_FOR_WORKERS),
        ('preprocess.engines', HEAVY_FOR_WORKERS),
    ],
)
def test_importing_a_command_or_a_worker_loads_nothing_it_can_do_without(module: str, absent: set[str]) -> None:
    code = f'import sys, {module}; print(*{{name.partition(".")[0] for name in sys.modules}})'
    loaded = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    ).stdout.split()
    assert absent & set(loaded) == set()
