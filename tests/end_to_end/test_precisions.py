"""What bfloat16 and int8 cost, on photographs and with a real encoder: the same labels, and as good a head."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

import pipeline
from preprocess import processor, record_sets, records

SHARED = Path(__file__).parents[3] / 'shared'
PHOTOGRAPHS, ENCODER = SHARED / 'photos' / 'flowers', SHARED / 'encoders' / 'mobilenet_v2_imagenet'
PICTURES = 200  # that serving_agreement scores again, those of the eval set first

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason='needs ../shared/photos'),
    pytest.mark.skipif(not ENCODER.exists(), reason='needs ../shared/encoders/mobilenet_v2_imagenet'),
]
needs_bfloat16 = pytest.mark.skipif(
    not processor.computes_in_bfloat16(), reason='needs a processor that computes in bfloat16'
)


def run(out: Path, engine: str, precision: str) -> Path:
    """The whole pipeline, from the photographs to the report."""
    words = {
        'input_path': PHOTOGRAPHS,
        'encoder': ENCODER,
        'engine': engine,
        'precision': precision,
        'eval_fraction': 0.2,
        'max_steps': 500,
        'output_dir': out,
    }
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert pipeline.run([f'--{name}={value}' for name, value in words.items()]) == 0
    return out


@pytest.fixture(scope='module')
def float32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp('float32'), 'tensorflow', 'float32')


def accuracy(out: Path) -> float:
    """Of logistic regression on the run's records: five folds, the mean of five ways to cut them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    shards = record_sets.find_records([str(out / 'preprocessed' / side) for side in ('train', 'eval')]).paths
    found = sorted((one for shard in shards for one in records.read(shard)), key=lambda one: one.image_uri)
    assert len(found) == len(list(PHOTOGRAPHS.glob('*/*.jpg')))
    vectors, labels = np.stack([one.embedding for one in found]), np.array([one.label_ids[0] for one in found])
    scores = [
        cross_val_score(
            LogisticRegression(max_iter=1000), vectors, labels, cv=StratifiedKFold(5, shuffle=True, random_state=seed)
        )
        for seed in range(5)
    ]
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ('engine', 'precision', 'same_label'),
    [
        pytest.param('tensorflow', 'bfloat16', 0.97, marks=needs_bfloat16),
        pytest.param('openvino', 'int8', 0.96),
    ],
)
def test_a_faster_precision_gives_the_labels_of_float32_and_as_good_a_head(
    float32: Path, tmp_path: Path, engine: str, precision: str, same_label: float
) -> None:
    if engine == 'openvino':
        pytest.importorskip('openvino', reason="needs the extra `fast`: pip install 'headlight[fast]'")
    out = run(tmp_path, engine, precision)
    agreement = json.loads((out / 'eval' / 'metrics.json').read_text())['serving_agreement']
    before, now = accuracy(float32), accuracy(out)
    print(f'{engine} {precision}: {agreement}, accuracy {now:.4f}, in float32 {before:.4f}')
    assert agreement['pictures'] == PICTURES
    assert agreement['unreadable'] == 0
    assert agreement['same_label'] >= same_label
    assert abs(now - before) <= 0.02
