"""Pictures on both sides: every exact one is found, no different one is taken for a copy."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.sets import embedded
from trainer import leakage
from trainer.leakage import Twin

LABELS = ('cat', 'dog')
FLOWERS = Path(__file__).parents[3] / 'shared' / 'photos' / 'flowers'


def directions(rows: int, seed: int, *, size: int = 64) -> np.ndarray:
    """Vectors that are nearly at right angles to each other."""
    return np.random.default_rng(seed).normal(size=(rows, size)).astype(np.float32)


def test_every_equal_vector_is_found_and_counted_once() -> None:
    train = directions(500, 1)
    held_out = directions(200, 2)
    held_out[:120] = train[np.random.default_rng(3).choice(500, 120, replace=False)]

    (overlap,), twins = _found(embedded('train', train), embedded('eval', held_out))

    assert (overlap.same_vector, overlap.same_file, overlap.alike) == (120, 0, 0)
    assert twins['eval'].tolist() == list(range(120))
    assert (overlap.rows, overlap.compared, len(overlap.examples)) == (200, 200, 50)


def test_the_same_path_is_found_even_when_its_vector_changed() -> None:
    train = embedded('train', directions(3, 1), uris=['a.jpg', 'b.jpg', 'c.jpg'])
    held_out = embedded('eval', directions(2, 2), uris=['b.jpg', 'd.jpg'])

    (overlap,), _ = _found(train, held_out)

    assert (overlap.same_file, overlap.same_vector, overlap.alike) == (1, 0, 0)
    assert overlap.examples == (Twin('same file', 'b.jpg', 'b.jpg', 'cat', 'cat', None),)


def test_a_slightly_changed_vector_is_alike_and_a_different_one_is_not() -> None:
    train = directions(100, 1) + 20  # what all have in common says nothing
    held_out = directions(50, 2) + 20
    held_out[7] = train[31] + 0.1 * directions(1, 3)[0]

    (overlap,), twins = _found(embedded('train', train), embedded('eval', held_out))

    assert (overlap.alike, overlap.same_vector) == (1, 0)
    assert twins['eval'].tolist() == [7]
    assert overlap.examples[0].left == 'train31.jpg'
    assert overlap.examples[0].cosine == pytest.approx(0.978, abs=0.01)


def test_twins_that_disagree_are_counted_and_shown_first() -> None:
    vectors = directions(4, 1)
    train = embedded('train', vectors, labels=[(0,), (1,), (), (1,)])
    held_out = embedded('eval', vectors, labels=[(0,), (1,), (1,), (0,)])

    (overlap,), _ = _found(train, held_out)

    assert overlap.contradicting == 1  # a row without a label contradicts nothing
    assert overlap.examples[0] == Twin('same vector', 'train3.jpg', 'eval3.jpg', 'dog', 'cat', None)


def test_groups_on_both_sides_are_named() -> None:
    train = embedded('train', directions(4, 1), groups=['anna', 'bert', None, ''])
    held_out = embedded('eval', directions(4, 2), groups=['bert', 'cleo', None, ''])

    (overlap,), _ = _found(train, held_out)

    assert (overlap.groups, overlap.group_examples) == (1, ('bert',))


def test_three_sets_are_compared_in_pairs_and_twins_are_those_of_the_first() -> None:
    vectors = directions(6, 1)
    sets = [embedded('train', vectors[:2]), embedded('eval', vectors[1:4]), embedded('test', vectors[3:])]

    overlaps, twins = _found(*sets)

    assert [(one.left, one.right, one.same_vector) for one in overlaps] == [
        ('train', 'eval', 1),
        ('train', 'test', 0),
        ('eval', 'test', 1),
    ]
    assert {name: rows.tolist() for name, rows in twins.items()} == {'eval': [0], 'test': []}


def test_vectors_that_are_all_the_same_are_equal_not_alike() -> None:
    same = np.full((30, 8), 0.1, np.float32)
    nearly = same * np.float32(1.0000001)

    (overlap,), _ = _found(embedded('train', same), embedded('eval', np.vstack([same[:2], nearly[:2]])))

    assert (overlap.same_vector, overlap.alike) == (2, 0)


def test_what_a_class_has_in_common_does_not_make_its_pictures_alike() -> None:
    train, held_out = directions(100, 1), directions(40, 2)
    # A direction of the class a hundred times stronger than what tells its pictures apart.
    train[:, 0] = np.where(np.arange(100) % 2, 100, -100)
    held_out[:, 0] = np.where(np.arange(40) % 2, 100, -100)

    (overlap,), _ = _found(embedded('train', train), embedded('eval', held_out))

    assert overlap.alike == 0


def test_from_too_few_training_rows_only_equal_vectors_count() -> None:
    train = directions(19, 1)

    (overlap,), _ = _found(embedded('train', train), embedded('eval', np.vstack([train[:3], train[3:6] + 1e-4])))

    assert (overlap.same_vector, overlap.alike) == (3, 0)


def test_blocks_give_what_one_product_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = embedded('train', directions(40, 1, size=6)), embedded('eval', directions(20, 2, size=6))
    whole = _found(*sets)
    monkeypatch.setattr(leakage, '_LEFT_ROWS', 7)
    monkeypatch.setattr(leakage, '_RIGHT_ROWS', 3)

    in_blocks = _found(*sets)

    assert 0 < whole[0][0].alike < 20
    assert [twin.left for twin in in_blocks[0][0].examples] == [twin.left for twin in whole[0][0].examples]
    assert in_blocks[1]['eval'].tolist() == whole[1]['eval'].tolist()


def test_very_large_sets_are_compared_by_a_sample_but_equal_vectors_are_all_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, held_out = directions(50, 1), directions(40, 2)
    held_out[:10] = train[:10]
    monkeypatch.setattr(leakage, '_WORK_LIMIT', 12 * 50 * 49)  # fifty points span 49 directions

    (overlap,), _ = _found(embedded('train', train), embedded('eval', held_out))

    assert (overlap.same_vector, overlap.compared, overlap.rows) == (10, 22, 40)


def test_an_empty_side_shares_nothing() -> None:
    (overlap,), _ = _found(embedded('train', directions(3, 1)), embedded('eval', np.zeros((0, 64))))

    assert (overlap.rows, overlap.same_vector, overlap.alike) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.skipif(not FLOWERS.is_dir(), reason='the photographs are not at hand')
def test_the_threshold_tells_copies_of_photographs_from_other_photographs() -> None:
    encode = _mobilenet()
    paths = sorted(FLOWERS.glob('*/*.jpg'))
    originals = encode([path.read_bytes() for path in paths])
    copies = encode([_saved_again(path) for path in paths])
    half = np.arange(len(paths)) % 2 == 0

    (different,), _ = _found(embedded('train', originals[half]), embedded('eval', originals[~half]))
    (copied,), _ = _found(embedded('train', originals), embedded('eval', copies))

    assert different.alike == 0
    assert copied.alike >= 0.95 * len(paths)


def _found(*sets: leakage.EmbeddedSet) -> tuple[tuple[leakage.Overlap, ...], dict[str, np.ndarray]]:
    found, twins = leakage.find(sets, LABELS)
    return found.overlaps, twins


def _saved_again(path: Path) -> bytes:
    buffer = io.BytesIO()
    Image.open(path).convert('RGB').save(buffer, 'JPEG', quality=75)
    return buffer.getvalue()


def _mobilenet():
    import tensorflow as tf

    from preprocess import images

    loaded = tf.saved_model.load(str(FLOWERS.parents[1] / 'encoders' / 'mobilenet_v2_imagenet'))

    def encode(pictures: list[bytes]) -> np.ndarray:
        pixels = [images.to_pixels(data, (224, 224, 3)) for data in pictures]
        batches = [np.stack(pixels[at : at + 50]).astype(np.float32) / 255 for at in range(0, len(pixels), 50)]
        return np.concatenate([loaded(tf.constant(batch)).numpy() for batch in batches])

    return encode
