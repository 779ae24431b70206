"""Which few rows stand for many."""

from preprocess.rows import Row
from preprocess.subsets import shares, spread


def rows_of(**counts: int) -> list[Row]:
    return [
        Row(f'/p/{label}{n}.jpg', f'{label}{n}.jpg', (label,), 'a.csv', n + 1)
        for label, count in counts.items()
        for n in range(count)
    ]


def labels_of(rows: list[Row]) -> list[str]:
    return sorted(row.labels[0] for row in rows)


def test_classes_share_evenly() -> None:
    assert labels_of(spread(rows_of(cat=50, dog=50, owl=50), 6)) == ['cat', 'cat', 'dog', 'dog', 'owl', 'owl']


def test_a_small_class_gives_all_it_has() -> None:
    assert labels_of(spread(rows_of(cat=50, dog=1), 6)) == ['cat'] * 5 + ['dog']


def test_fewer_rows_than_asked_for_are_all_taken() -> None:
    assert len(spread(rows_of(cat=2, dog=1), 10)) == 3


def test_the_order_of_rows_does_not_matter_and_more_keep_the_few() -> None:
    rows = rows_of(cat=30, dog=30)
    few = {row.uri for row in spread(rows, 6)}
    assert {row.uri for row in spread(rows[::-1], 6)} == few
    assert few < {row.uri for row in spread(rows, 12)}


def test_sets_get_their_share_and_never_nothing() -> None:
    assert shares({'train': 900, 'eval': 90, 'test': 10}, 100) == {'train': 90, 'eval': 9, 'test': 1}
    assert shares({'train': 990, 'eval': 10}, 10) == {'train': 10, 'eval': 1}
    assert shares({'train': 5, 'eval': 2}, 100) == {'train': 5, 'eval': 2}
