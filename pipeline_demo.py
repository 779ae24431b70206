"""The demo of pipeline.py: the pictures it draws, and those the model it makes never saw."""

import tempfile

from pipeline_stages import PipelineConfig
from preprocess import files, quiet
from preprocess.progress import Progress, say

DEMO_ENCODER = 'mini'
DEMO_PICTURES_PER_CLASS = 100
DEMO_FRESH_PER_CLASS = 20
# A seed the demo's training pictures are not drawn with: these the model never saw.
DEMO_FRESH_SEED = 1_000_003


def draw(directory: str, *, per_class: int, seed: int) -> None:
    """The demo's pictures, drawn once."""
    from preprocess import demo

    pictures = per_class * len(demo.DEMO_LABELS)
    if _are_there(directory, pictures):
        return
    say(f'drawing {pictures} pictures into {directory}')
    if files.is_remote(directory):
        with tempfile.TemporaryDirectory() as folder, Progress(f'copying them to {directory}'):
            demo.draw_demo(folder, pictures_per_class=per_class, seed=seed)
            *_, last = files.list_dir(folder, recursive=True)
            files.copy_tree(folder, directory, last=last.uri[len(files.join(folder, '')) :])
        return
    unfinished = f'{directory}.unfinished'
    files.delete_tree(unfinished)
    demo.draw_demo(unfinished, pictures_per_class=per_class, seed=seed)
    files.rename(unfinished, directory)


def _are_there(directory: str, pictures: int) -> bool:
    """Whether they were drawn before; folders on a bucket appear with their first file, so there they are counted."""
    if not files.is_dir(directory):
        return False
    return not files.is_remote(directory) or sum(1 for _ in files.list_dir(directory, recursive=True)) == pictures


def fresh_line(config: PipelineConfig, model_dir: str) -> str:
    """How the exported model labels pictures that were drawn after it was trained."""
    with quiet.loading():
        from predict.model import load

    directory = config.path('demo', 'fresh')
    draw(directory, per_class=DEMO_FRESH_PER_CLASS, seed=DEMO_FRESH_SEED)
    paths = [found.uri for found in files.list_dir(directory, recursive=True)]
    answers = load(model_dir).predict(paths)
    right = sum(answer.label == files.name(files.parent(path)) for path, answer in zip(paths, answers, strict=True))
    share = f'{right / len(paths):.3f}'
    return f'fresh     {right} of {len(paths)} new pictures labelled right by the exported model ({share})'
