"""Running again with a store: what is in it is neither read, decoded nor embedded, and what is damaged is made good."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from preprocess import decoders, files, interrupts, kept_encoders, lookup, pictures, pieces, shards, upkeep
from preprocess.arrivals import Sources
from preprocess.compiled import CompiledEncoder
from preprocess.embedding import Existing, Machinery, embed_sets
from preprocess.failures import Interrupted, RunFailed, TooManyRejects
from preprocess.image_formats import ImageError
from preprocess.options import EmbeddingConfig
from tests.preprocess.fakes import FAKE, FakeEngine, compile_fake, draw, model_dir, picture
from tests.preprocess.runs import (
    config,
    embed,
    found,
    label,
    left_over,
    make,
    rejects,
    vector_pieces,
    vectors_kept,
    write_csv,
)

# Of this module and not of an object: what Beam hands to a worker is a copy.
COUNTS: Counter[str] = Counter()


def compile_counted(spec, directory) -> CompiledEncoder:
    COUNTS['compiled'] += 1
    return compile_fake(spec, directory)


class CountedEngine(FakeEngine):
    def __init__(self, encoder: CompiledEncoder) -> None:
        super().__init__(encoder)
        COUNTS['loaded'] += 1

    def encode(self, pixels):
        COUNTS['embedded'] += len(pixels)
        return super().encode(pixels)


class Counted:
    """The fake encoder, and how often it was compiled, loaded and asked."""

    machinery = replace(FAKE, compile=compile_counted, load=CountedEngine)

    @property
    def embedded(self) -> int:
        return COUNTS['embedded']

    @property
    def loaded(self) -> int:
        return COUNTS['loaded']

    @property
    def compiled(self) -> int:
        return COUNTS['compiled']

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.compiled, self.loaded, self.embedded


@pytest.fixture
def counted() -> Counted:
    COUNTS.clear()
    return Counted()


@pytest.fixture
def folder(tmp_path) -> Path:
    draw(tmp_path / 'pics', 30)
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    write_csv(tmp_path, 'train.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(30)])
    age(tmp_path)
    return tmp_path


def age(folder: Path) -> None:
    """As if the pictures had been there for a while: a file that is a moment old is not noted in the index."""
    for path in folder.rglob('*.png'):
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))


def again(folder: Path, counted: Counted, **settings) -> Sources:
    settings.setdefault('existing', Existing.REDO)
    sources = make(config(folder), folder=folder, machinery=counted.machinery, **settings).sources
    assert sources
    return sources


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


@pytest.fixture
def unreadable(monkeypatch):
    """From here on nothing may read a picture."""

    def refuse(uri):
        raise AssertionError(f'{uri} was read')

    def arm():
        monkeypatch.setattr(pictures, 'content_key', refuse)
        monkeypatch.setattr(pictures, 'read_bytes', refuse)

    return arm


def test_everything_in_the_store_is_neither_read_nor_embedded(folder, counted, unreadable, capsys):
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery)
    assert counted.counts == (1, 1, 30)
    unreadable()
    assert again(folder, counted) == Sources(from_store=30)
    assert counted.counts == (1, 1, 30)
    assert embed(config(folder), folder=folder) == [first]
    assert '30 pictures: 30 from the store, 0 embedded, 0 rejected\n' in capsys.readouterr().err


def test_nothing_to_embed_imports_no_tensorflow(folder, monkeypatch):
    import sys

    embed(config(folder), folder=folder)
    monkeypatch.setitem(sys.modules, 'tensorflow', None)
    assert make(config(folder), folder=folder, existing=Existing.REDO, machinery=Machinery()).sources == Sources(30)


@pytest.mark.parametrize('change', ['label', 'dictionary', 'split', 'balance'])
def test_other_labels_splits_and_dictionaries_never_run_the_network(folder, counted, unreadable, change):
    embed(config(folder), folder=folder, machinery=counted.machinery)
    unreadable()
    rows = (folder / 'train.csv').read_text().splitlines()
    sets = [config(folder)]
    if change == 'label':
        write_csv(folder, 'train.csv', [f'pics/{n:05d}.png,{label(n + 1)}' for n in range(30)])
    elif change == 'dictionary':
        (folder / 'dict.txt').write_text('dog\nowl\ncat\n')
    elif change == 'split':
        write_csv(folder, 'train.csv', rows[::2])
        write_csv(folder, 'eval.csv', rows[1::2])
        sets = [config(folder), config(folder, 'eval')]
    else:
        write_csv(folder, 'train.csv', rows[:11])
    made = make(*sets, folder=folder, machinery=counted.machinery, existing=Existing.REPLACE)
    assert made.sources and made.sources.embedded == 0
    assert counted.counts == (1, 1, 30)
    if change == 'label':
        assert found(folder / 'out' / 'train')['00000.png'].label_ids == (1,)


def test_new_rows_cost_only_themselves(folder, counted):
    embed(config(folder), folder=folder, machinery=counted.machinery)
    draw(folder / 'pics', 3, first=30)
    write_csv(folder, 'train.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(33)])
    assert again(folder, counted, existing=Existing.REPLACE) == Sources(from_store=30, embedded=3)
    assert counted.counts == (1, 2, 33)
    assert len(found(folder / 'out' / 'train')) == 33


def test_pictures_moved_between_folders_and_a_moved_tree_are_read_once_and_not_embedded(tmp_path, counted, unreadable):
    draw(tmp_path / 'pics', 300)
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    write_csv(tmp_path, 'train.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(300)])
    embed(config(tmp_path), folder=tmp_path, machinery=counted.machinery)
    (tmp_path / 'pics').rename(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere' / 'dog').mkdir()
    for number in range(0, 40, 2):
        (tmp_path / 'elsewhere' / f'{number:05d}.png').rename(tmp_path / 'elsewhere' / 'dog' / f'{number:05d}.png')
    moved = [f'elsewhere/dog/{n:05d}.png,dog' for n in range(0, 40, 2)]
    stayed = [f'elsewhere/{n:05d}.png,{label(n)}' for n in range(300) if n % 2 or n >= 40]
    write_csv(tmp_path, 'train.csv', moved + stayed)
    age(tmp_path)
    assert again(tmp_path, counted) == Sources(from_store=300)
    unreadable()
    assert again(tmp_path, counted) == Sources(from_store=300)
    assert counted.counts == (1, 1, 300)
    records = found(tmp_path / 'out' / 'train')
    assert records['00000.png'].image_uri == str(tmp_path / 'elsewhere' / 'dog' / '00000.png')
    assert records['00000.png'].label_ids == (1,)


def test_a_changed_picture_is_embedded(folder, counted):
    embed(config(folder), folder=folder, machinery=counted.machinery)
    before = found(folder / 'out' / 'train')['00004.png'].embedding.tobytes()
    (folder / 'pics' / '00004.png').write_bytes(picture(1000))
    assert again(folder, counted) == Sources(from_store=29, embedded=1)
    assert found(folder / 'out' / 'train')['00004.png'].embedding.tobytes() != before


def test_a_picture_changed_within_a_tick_of_the_clock_is_not_taken_for_the_old_one(folder, counted, monkeypatch):
    path = folder / 'pics' / '00004.png'
    monkeypatch.setattr(lookup, '_TICK_NS', 10**18)
    embed(config(folder), folder=folder, machinery=counted.machinery)
    seen = path.stat()
    other = picture(1000)
    path.write_bytes(other[: seen.st_size].ljust(seen.st_size, b'\0'))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert again(folder, counted).from_store == 29


def test_equal_contents_are_embedded_once(folder, counted):
    (folder / 'pics' / 'copy.png').write_bytes(picture(3))
    write_csv(folder, 'train.csv', ['pics/00003.png,cat', 'pics/copy.png,dog', 'pics/00005.png,dog'])
    assert again(folder, counted) == Sources(embedded=2, copies=1)
    assert counted.embedded == 2
    assert str(Sources(embedded=2, copies=1)) == (
        '3 pictures: 0 from the store, 2 embedded, 1 copies of these, 0 rejected'
    )
    assert again(folder, counted) == Sources(from_store=3)
    assert set(found(folder / 'out' / 'train')) == {'00003.png', 'copy.png', '00005.png'}


def test_an_interruption_while_files_are_looked_at_keeps_what_was_learnt(folder, counted, monkeypatch):
    content_key = pictures.content_key

    def interrupt(uri):
        interrupts._requested.set()
        return content_key(uri)

    monkeypatch.setattr(pictures, 'content_key', interrupt)
    try:
        with pytest.raises(Interrupted):
            again(folder, counted)
    finally:
        interrupts.clear()
    known = [pieces.open_piece(str(path)) for path in (folder / 'out' / 'embeddings' / 'index').glob('*.piece')]
    assert sum(map(len, known)) > 0
    assert counted.loaded == 0
    assert left_over(folder / 'out') == []
    monkeypatch.undo()
    assert again(folder, counted) == Sources(embedded=30)


def test_a_bundle_done_twice_counts_its_pictures_once(folder, counted):
    asked = EmbeddingConfig(encoder=model_dir(folder))
    repeat = ['--direct_runner_bundle_repeat=2']
    assert embed_sets([config(folder)], asked, repeat, machinery=counted.machinery).sources == Sources(embedded=30)


def test_a_store_shared_by_two_results_serves_both(folder, counted, unreadable):
    store = str(folder / 'shared')
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery, embedding_store=store)
    unreadable()
    other = config(folder, output_path=str(folder / 'other' / 'train'))
    made = make(other, folder=folder, machinery=counted.machinery, embedding_store=store)
    assert (made.sources, counted.counts) == (Sources(from_store=30), (1, 1, 30))
    (second,) = made.manifests
    assert (second.shards, second.encoder) == (first.shards, first.encoder)
    assert kept_encoders.usable(str(folder / 'other' / second.encoder.path), second.encoder.key)
    assert not (folder / 'out' / 'embeddings').exists()


def test_an_encoder_beside_older_records_stays_theirs(folder, counted):
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery)
    beside = CompiledEncoder.load(str(folder / 'out' / first.encoder.path))
    write_csv(folder, 'eval.csv', ['pics/00000.png,cat'])
    other = {'machinery': counted.machinery, 'embedding_store': str(folder / 'another')}
    (second,) = embed(config(folder, 'eval'), folder=folder, **other)
    assert CompiledEncoder.load(str(folder / 'out' / second.encoder.path)) == beside


def test_a_damaged_encoder_in_the_store_is_compiled_again_and_its_vectors_stay(folder, counted):
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery)
    place = folder / 'out' / 'embeddings' / first.encoder.key[:16] / 'encoder'
    (place / 'graph.pb').write_bytes(b'torn')
    assert again(folder, counted) == Sources(from_store=30)
    assert counted.compiled == 2
    assert (place / 'graph.pb').read_bytes() == b'graph'
    assert left_over(folder / 'out') == []


def test_what_a_kill_leaves_while_an_encoder_compiles_is_cleared_by_the_next_run(folder, counted):
    def die(spec, directory):
        files.write_atomic(files.join(f'{directory}.0123.tmp', 'graph.pb'), b'half')
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(config(folder), folder=folder, machinery=replace(FAKE, compile=die))
    embed(config(folder), folder=folder)
    assert left_over(folder / 'out') == []


# What could not be embedded.


@pytest.fixture
def spoiled(folder) -> Path:
    (folder / 'pics' / '00001.png').write_bytes(picture(1)[:-30])
    (folder / 'pics' / '00002.png').write_bytes(picture(2, colour=(255, 0, 0)))
    (folder / 'pics' / '00003.png').unlink()
    (folder / 'pics' / 'copy.png').write_bytes(picture(1)[:-30])
    with (folder / 'train.csv').open('a') as rows:
        rows.write('pics/copy.png,cat\n')
    age(folder)
    return folder


REASONS = ['truncated', 'nonfinite-embedding', 'missing', 'truncated']


def test_rejects_are_remembered_and_not_decoded_again(spoiled, counted, monkeypatch):
    assert again(spoiled, counted) == Sources(embedded=27, rejected=4)
    before = rejects(spoiled)
    assert [reject['reason'] for reject in before] == REASONS
    monkeypatch.setattr(decoders.DecoderPool, 'decode', None)
    assert again(spoiled, counted) == Sources(from_store=27, rejected=4)
    assert rejects(spoiled) == before
    assert counted.loaded == 1


def test_what_was_missing_is_looked_for_again(spoiled, counted):
    again(spoiled, counted)
    (spoiled / 'pics' / '00003.png').write_bytes(picture(3))
    assert again(spoiled, counted) == Sources(from_store=27, embedded=1, rejected=3)


def test_retry_rejected_tries_them_again_even_where_the_records_are_there(spoiled, counted):
    again(spoiled, counted)
    assert counted.embedded == 28
    assert again(spoiled, counted, existing=Existing.KEEP, retry_rejected=True) == Sources(from_store=27, rejected=4)
    # Infinities came out of the network once more; the torn picture got no further than the decoder.
    assert counted.embedded == 29
    assert [reject['reason'] for reject in rejects(spoiled)] == REASONS


def test_retry_rejected_leaves_records_without_rejects_alone(folder, counted, capsys):
    embed(config(folder), folder=folder)
    assert make(config(folder), folder=folder, machinery=counted.machinery, retry_rejected=True).sources is None
    assert 'there already' in capsys.readouterr().err


def test_too_many_rejects_keep_the_vectors(spoiled, counted):
    with pytest.raises(TooManyRejects):
        again(spoiled, counted, max_reject_fraction=0.05)
    assert again(spoiled, counted) == Sources(from_store=27, rejected=4)


# What is damaged or gone.


@pytest.mark.parametrize('damage', ['torn', 'keys', 'a vector', 'another encoder'])
def test_a_damaged_piece_is_named_set_aside_and_its_pictures_embedded_again(folder, counted, capsys, damage):
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery)
    (piece,) = vector_pieces(folder / 'out')
    if damage == 'torn':
        piece.write_bytes(piece.read_bytes()[:-40])
    elif damage == 'another encoder':
        piece.write_bytes(piece.read_bytes().replace(first.encoder.key.encode(), b'0' * 64))
    else:
        flip(piece, {'keys': 64 + 24 * 30 + 5, 'a vector': 64 + 24 * 7 + 3}[damage])
    capsys.readouterr()
    assert again(folder, counted) == Sources(embedded=30)
    (named,) = [line for line in capsys.readouterr().err.splitlines() if 'set aside' in line]
    assert named.startswith(f'{piece}: ')
    assert Path(f'{piece}.bad').exists()
    assert embed(config(folder), folder=folder) == [first]
    assert again(folder, counted) == Sources(from_store=30)
    assert counted.counts == (1, 2, 60)


def test_only_the_pictures_of_the_damaged_piece_are_embedded_again(folder, counted, monkeypatch):
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 24 * 10)
    monkeypatch.setattr('preprocess.embedder.BATCHES_AHEAD', 0)
    (first,) = embed(config(folder, shards=3), folder=folder, machinery=counted.machinery)
    some, *others = vector_pieces(folder / 'out')
    assert others
    flip(some, 64)
    lost = len(pieces.open_piece(str(some)))
    made = make(config(folder, shards=3), folder=folder, machinery=counted.machinery, existing=Existing.REDO)
    assert made.sources == Sources(from_store=30 - lost, embedded=lost)
    assert made.manifests[0].shards == first.shards
    assert counted.embedded == 30 + lost


def test_a_damaged_index_costs_only_reading(folder, counted):
    embed(config(folder), folder=folder, machinery=counted.machinery)
    (piece,) = (folder / 'out' / 'embeddings' / 'index').glob('*.piece')
    flip(piece, 70)
    assert again(folder, counted) == Sources(from_store=30)
    assert Path(f'{piece}.bad').exists()


def test_a_piece_that_vanishes_between_two_looks_is_looked_for_again(folder, counted, monkeypatch):
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery)
    gather = shards._gather

    def compact_first(placed, **kind):
        monkeypatch.setattr(shards, '_gather', gather)
        (piece,) = vector_pieces(folder / 'out')
        piece.rename(piece.with_name('another.piece'))
        return gather(placed, **kind)

    monkeypatch.setattr(shards, '_gather', compact_first)
    assert again(folder, counted) == Sources(from_store=30)
    assert counted.embedded == 30
    assert embed(config(folder), folder=folder) == [first]


def test_a_piece_that_vanishes_before_it_is_read_is_found_in_the_one_that_replaced_it(folder, counted, monkeypatch):
    embed(config(folder), folder=folder, machinery=counted.machinery)
    find = pieces.find

    def find_and_rename(place):
        listed = find(place)
        for path in listed.good:
            if 'index' not in path and not path.endswith('new.piece'):
                os.rename(path, files.join(place, 'new.piece'))
        return listed

    monkeypatch.setattr(pieces, 'find', find_and_rename)
    assert again(folder, counted) == Sources(from_store=30)
    assert counted.embedded == 30


def test_a_store_that_is_damaged_at_every_look_ends_the_run(folder, counted, monkeypatch):
    embed(config(folder), folder=folder)

    def lose(placed, **kind):
        return [], [shards.Damaged('/store/x.piece', '', is_late=True)]

    monkeypatch.setattr(shards, '_gather', lose)
    with pytest.raises(RunFailed, match='damaged or vanish at every one of 4 looks'):
        again(folder, counted)


def test_a_file_that_changes_between_its_naming_and_its_embedding_speaks_for_itself_alone(folder, counted, monkeypatch):
    (folder / 'pics' / 'copy.png').write_bytes(picture(3))
    (folder / 'pics' / 'third.png').write_bytes(picture(3))
    write_csv(folder, 'train.csv', ['pics/00003.png,cat', 'pics/copy.png,dog', 'pics/third.png,dog'])
    read = pictures.read_bytes

    def change_meanwhile(uri):
        if uri.endswith('00003.png'):
            return picture(77)
        if uri.endswith('copy.png'):
            raise ImageError('missing', 'it went away')
        return read(uri)

    monkeypatch.setattr(pictures, 'read_bytes', change_meanwhile)
    assert again(folder, counted) == Sources(embedded=2, rejected=1)
    by_name = found(folder / 'out' / 'train')
    assert set(by_name) == {'00003.png', 'third.png'}
    assert by_name['00003.png'].embedding.tobytes() != by_name['third.png'].embedding.tobytes()
    assert [reject['reason'] for reject in rejects(folder)] == ['missing']


def test_compacting_between_runs_changes_no_record(folder, counted, monkeypatch):
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 24 * 4)
    (first,) = embed(config(folder), folder=folder, machinery=counted.machinery)
    monkeypatch.undo()
    before = vectors_kept(folder / 'out')
    upkeep.compact(str(folder / 'out' / 'embeddings'), grace_s=0)
    assert sorted(vectors_kept(folder / 'out')) == sorted(before)
    assert len(vector_pieces(folder / 'out')) == 1
    assert again(folder, counted) == Sources(from_store=30)
    assert embed(config(folder), folder=folder) == [first]
