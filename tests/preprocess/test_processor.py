"""What the processor says of itself."""

from pathlib import Path

import pytest

from preprocess import processor


@pytest.fixture(autouse=True)
def forget() -> None:
    processor.flags.cache_clear()


def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / 'cpuinfo').write_text(text)
    monkeypatch.setattr(processor, '_CPU_INFO', str(tmp_path / 'cpuinfo'))


@pytest.mark.parametrize(
    ('flags', 'bfloat16', 'int8'),
    [
        ('fpu avx2', False, False),
        ('fpu avx512_bf16 avx512_vnni', True, True),
        ('amx_bf16 amx_int8', True, True),
        ('avx512_bf16x avx_vnni', False, True),
        ('', False, False),
    ],
)
def test_flags_tell_what_it_computes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, bfloat16: bool, int8: bool
) -> None:
    described(tmp_path, monkeypatch, f'processor\t: 0\nmodel name\t: Chip: fast\nflags\t\t: {flags}\nbugs\t: none\n')
    assert (processor.computes_in_bfloat16(), processor.multiplies_int8()) == (bfloat16, int8)
    assert processor.name() == 'Chip: fast'


def test_a_system_that_lists_nothing_promises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, '_CPU_INFO', str(tmp_path / 'absent'))
    assert not processor.computes_in_bfloat16() and not processor.multiplies_int8()
    assert processor.name() == 'this processor'
