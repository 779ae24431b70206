"""The predictions of the model before this one, set aside so that accuracy before and now can be compared."""

import json
import logging

from preprocess import files

_log = logging.getLogger(__name__)


def set_aside(metrics_path: str, predictions_path: str, previous_path: str, *, model_sha256: str) -> None:
    """Keep predictions that another model made, and take back metrics.json until there are new ones.

    metrics.json names the model and the predictions it belongs to: predictions that are not those, or are of this same
    model (evaluated again), leave what was set aside earlier as it is. Killed in between, the next run finds either
    all of the old evaluation or its predictions set aside.
    """
    made_by, content = _identity(metrics_path)
    if made_by != model_sha256 and content is not None and _sha256(predictions_path) == content:
        files.copy(predictions_path, previous_path)
    files.delete(metrics_path)


def _identity(metrics_path: str) -> tuple[str | None, str | None]:
    try:
        model = json.loads(files.read_text(metrics_path))['model']
        return model['saved_model_sha256'], model['predictions_sha256']
    except FileNotFoundError:
        return None, None
    except (ValueError, KeyError, TypeError) as error:
        _log.warning('%s says nothing of an earlier model: %r', metrics_path, error)
        return None, None


def _sha256(path: str) -> str | None:
    try:
        return files.sha256(path)
    except FileNotFoundError:
        return None
