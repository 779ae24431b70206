"""Looking after a store: what is in it, what is damaged, and many pieces into few."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from preprocess import kept_timelines, pieces, shelves, store, upkeep
from preprocess.claims import Claim
from preprocess.failures import InputError, UsageError
from preprocess.pieces import PieceWriter
from preprocess.shelves import Refusal
from tests.preprocess.fakes import compile_fake, model_dir
from tests.preprocess.test_pieces import key

KEY = 'ab' * 32


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pieces of vectors, the last of which repeats one; one piece of each other kind."""
    place = tmp_path / 'embeddings'
    for numbers in ((0, 1, 2), (3, 4), (2, 5)):
        write(place, numbers)
    rejects = PieceWriter(shelves.rejects(str(place), KEY))
    rejects.add(key(100), shelves.refusal_row(Refusal('decode', 'corrupt', 'broken')))
    rejects.publish()
    index = PieceWriter(shelves.index(str(place)))
    for number in range(6):
        index.add(key(number + 1000), key(number))
    index.publish()
    return place


def write(place: Path, numbers) -> pieces.Piece:
    writer = PieceWriter(shelves.vectors(str(place), KEY, 16))
    for number in numbers:
        writer.add(key(number), shelves.vector_row(np.full(4, number)))
    piece = writer.publish()
    assert piece
    return piece


def vectors(place: Path) -> dict[bytes, list[float]]:
    """What a reader finds; twice the same key is an error."""
    found: dict[bytes, list[float]] = {}
    for path in pieces.find(str(place / KEY[:16])).good:
        piece = pieces.open_piece(path)
        for one, row in zip(piece.keys, piece.rows(range(len(piece))).view(np.float32), strict=True):
            assert one not in found
            found[one] = row.tolist()
    return found


ALL = {key(number): [float(number)] * 4 for number in range(6)}


def damage(place: Path) -> Path:
    path = Path(next(iter(pieces.find(str(place / KEY[:16])).good)))
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(data)
    return path


def test_stats_say_what_each_encoder_has(folder, tmp_path, capsys):
    store.main(['stats', str(folder)])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f'an encoder whose description is gone  {KEY[:16]}'
    size = sum(path.stat().st_size for path in (folder / KEY[:16]).glob('*.piece'))
    assert said[1] == f'  vectors:   7 in 3 pieces, {size:,} bytes, 0 damaged'
    assert said[2].startswith('  rejects:   1 in 1 pieces, ')
    assert said[3:] == ['index of files', f'  files:     6 in 1 pieces, {index_size(folder):,} bytes, 0 damaged']


def index_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / 'index').iterdir())


def test_stats_name_the_encoder_and_its_damaged_pieces(tmp_path, capsys):
    from preprocess.encoders import EncoderSpec

    spec = EncoderSpec(model_dir(tmp_path))
    place = tmp_path / 'embeddings'
    compile_fake(spec, str(place / spec.key()[:16] / 'encoder'))
    writer = PieceWriter(shelves.vectors(str(place), spec.key(), 16))
    writer.add(key(1), shelves.vector_row(np.zeros(4)))
    piece = writer.publish()
    assert piece
    Path(piece.path).write_bytes(b'torn')
    store.main(['stats', str(place)])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f'saved_model:fake_model  {spec.key()}'
    assert '1 damaged' in said[1]
    assert said[-1] == f'damaged: {piece.path}'


def test_verify_passes_a_whole_store(folder, capsys):
    assert store.main(['verify', str(folder)]) == 0
    assert capsys.readouterr().out == 'every checksum is right\n'


def test_verify_names_damaged_pieces_and_sets_them_aside(folder, capsys):
    path = damage(folder)
    for _ in range(2):
        with pytest.raises(InputError) as refused:
            store.main(['verify', str(folder)])
        assert (refused.value.exit_code, refused.value.where) == (3, str(folder))
        assert refused.value.what == f'1 damaged file, set aside: {path.name}'
        assert capsys.readouterr().out.startswith(f'{path}: ')
    assert json.loads(Path(f'{path}.bad').read_bytes())['why'].startswith('corrupt: row ')


def test_compact_makes_few_of_many_and_drops_what_is_there_twice(folder, capsys):
    store.main(['compact', str(folder), '--grace_hours=0'])
    assert capsys.readouterr().out == (
        '3 pieces became 1, without 1 rows that were there twice; 3 replaced or damaged earlier removed\n'
    )
    assert vectors(folder) == ALL
    assert len(list((folder / KEY[:16]).glob('*.piece*'))) == 1
    assert [path.name for path in folder.iterdir() if path.name.startswith('.')] == []
    store.main(['compact', str(folder)])
    assert capsys.readouterr().out.startswith('0 pieces became 0')


def test_compact_keeps_what_runs_under_way_may_read_for_a_while(folder):
    before = {path.name for path in (folder / KEY[:16]).glob('*.piece')}
    store.main(['compact', str(folder)])
    left = {path.name for path in (folder / KEY[:16]).glob('*.piece')}
    assert before < left
    assert vectors(folder) == ALL
    for path in folder.rglob('*.old'):
        path.write_text(json.dumps({'why': '', 'since': time.time() - 25 * 3600}))
    store.main(['compact', str(folder)])
    assert before.isdisjoint(path.name for path in (folder / KEY[:16]).iterdir() if path.suffix in ('.piece', '.old'))
    assert vectors(folder) == ALL


def test_compact_leaves_damaged_pieces_out_and_removes_them_in_time(folder):
    path = damage(folder)
    lost = pieces.open_piece(str(path)).keys
    done = upkeep.compact(str(folder), grace_s=3600)
    assert len(done.bad) == 1
    assert path.exists()
    left = vectors(folder)
    assert {one for one in ALL if one not in left} <= set(lost)
    upkeep.compact(str(folder), grace_s=0)
    assert not path.exists()
    assert vectors(folder) == left


def test_compact_fills_pieces_to_their_size_and_leaves_full_ones(folder, monkeypatch):
    for number in range(6, 40):
        write(folder, (number,))
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 16 * 10)
    monkeypatch.setattr(upkeep, '_ROWS_AT_A_TIME', 1)
    upkeep.compact(str(folder), grace_s=0)
    sizes = [len(pieces.open_piece(path)) for path in pieces.find(str(folder / KEY[:16])).good]
    assert sum(sizes) == 40
    assert len(sizes) <= 4
    assert vectors(folder) == {key(number): [float(number)] * 4 for number in range(40)}


def test_compact_holds_a_few_pieces_at_a_time_and_still_drops_what_is_twice(folder, monkeypatch):
    monkeypatch.setattr(upkeep, '_PIECES_AT_A_TIME', 2)
    for numbers in ((0, 9), (5, 6), (1, 7, 8)):
        write(folder, numbers)
    done = upkeep.compact(str(folder), grace_s=0)
    # Of ten contents in six pieces four were there twice.
    assert (done.merged, done.written, done.duplicates) == (6, 1, 4)
    assert vectors(folder) == {key(number): [float(number)] * 4 for number in range(10)}


def test_a_writer_beside_compact_loses_nothing(folder, monkeypatch):
    merge = upkeep._merge

    def merge_while_another_writes(*args):
        write(folder, (50, 51))
        merge(*args)

    monkeypatch.setattr(upkeep, '_merge', merge_while_another_writes)
    upkeep.compact(str(folder), grace_s=0)
    assert {key(50), key(51)} <= set(vectors(folder))


def test_compact_is_done_by_one_at_a_time(folder):
    with Claim(f'{folder}/.compacting.claim', doing='compacting the store'), pytest.raises(InputError, match='another'):
        upkeep.compact(str(folder), grace_s=0)


def test_a_compact_that_is_killed_loses_nothing(folder, monkeypatch):
    def die(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pieces, 'mark_old', die)
        with pytest.raises(KeyboardInterrupt):
            upkeep.compact(str(folder), grace_s=0)
    done = upkeep.compact(str(folder), grace_s=0)
    assert done.duplicates >= 6
    assert vectors(folder) == ALL


@pytest.mark.parametrize('action', ['stats', 'verify', 'compact'])
def test_what_is_no_store_is_refused(tmp_path, action):
    for place in (tmp_path, tmp_path / 'none'):
        with pytest.raises(InputError, match='store'):
            store.main([action, str(place)])
    assert os.listdir(tmp_path) == []


def test_mistakes_in_the_command_are_usage_errors(folder):
    for words in (['forget', str(folder)], ['stats'], ['compact', str(folder), '--grace_hours=-1']):
        with pytest.raises(UsageError):
            store.main(words)


def test_the_times_of_videos_are_counted_and_checked(folder, capsys):
    for content in (b'a', b'b'):
        why = Refusal('survey', 'no-video-stream', 'sound only')
        kept_timelines.keep(str(folder), content * 32, why)
    assert store.main(['stats', str(folder)]) == 0
    size = sum(path.stat().st_size for path in (folder / 'timelines').iterdir())
    assert f'times of videos\n  2 in {size} bytes' in capsys.readouterr().out
    path = folder / 'timelines' / (b'a' * 32).hex()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError) as refused:
        store.main(['verify', str(folder)])
    assert refused.value.what == f'1 damaged file, set aside: {path.name}'
    assert not path.exists()
    assert kept_timelines.find(str(folder), b'b' * 32) == why
    assert store.main(['verify', str(folder)]) == 0
