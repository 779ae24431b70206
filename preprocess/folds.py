"""Leave-one-out: for every group a folder with a training set of all the others and an eval set of it alone."""

from collections.abc import Iterable

from preprocess import file_names, files
from preprocess.splits import SIDES

FOLDER = 'leave_one_out'


def folder(output_dir: str, group: str) -> str:
    """Where the sets without a group are."""
    return files.join(output_dir, FOLDER, file_names.safe(group))


def remove_others(output_dir: str, keep: Iterable[str]) -> None:
    """Take away the sets of groups that are no longer there; whatever else lies beside them stays."""
    root = files.join(output_dir, FOLDER)
    if not files.is_dir(root):
        return
    kept = {files.absolute(path) for path in keep}
    names = {f'{side}_set.csv' for side in SIDES}
    for found in list(files.list_dir(root, recursive=True)):
        below = found.uri[len(files.join(root, '')) :].split('/')
        if len(below) == 2 and below[1] in names and files.absolute(files.parent(found.uri)) not in kept:
            files.delete(found.uri)
