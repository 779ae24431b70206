"""The kinds of heads there are: what each looks at, which settings it has, and their values where no flag gives one."""

from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.failures import UsageError

VECTORS, FRAMES = 'vectors', 'frames'
LAST, CENTRE, MAJORITY = 'last', 'centre', 'majority'
WINDOW_LABELS = (LAST, CENTRE, MAJORITY)
FLIPS = ('h', 'v', 'hv')


@dataclass(frozen=True, kw_only=True)
class HeadKind:
    """What a head looks at, and what its settings are unless flags say otherwise; None: it has no such setting."""

    looks_at: str  # VECTORS, or FRAMES of uint8 pixels
    batch_size: int
    hidden_units: int
    window: int | None = None  # consecutive records it looks at together; None: at one
    stride: int | None = None
    window_label: str | None = None
    layers: int | None = None
    filters: int | None = None
    clip_frames: int | None = None


# convlstm has the setting of the best published one on fish: 120 frames in 30 slices of 4.
KINDS: Mapping[str, HeadKind] = {
    'softmax': HeadKind(looks_at=VECTORS, batch_size=100, hidden_units=512),
    'lstm': HeadKind(
        looks_at=VECTORS, batch_size=100, hidden_units=128, window=16, stride=1, window_label=LAST, layers=2
    ),
    'convlstm': HeadKind(
        looks_at=FRAMES,
        batch_size=4,
        hidden_units=0,
        window=120,
        stride=1,
        window_label=LAST,
        layers=1,
        filters=16,
        clip_frames=4,
    ),
    'cnn': HeadKind(looks_at=FRAMES, batch_size=32, hidden_units=64, layers=3, filters=16),
}
# The settings that some heads have and others haven't.
SETTINGS = ('window', 'stride', 'window_label', 'layers', 'filters', 'clip_frames')


@dataclass(frozen=True)
class Windowing:
    """How windows are cut: how many records long, how far apart, and whose label they have."""

    length: int
    stride: int = 1
    label: str = LAST

    @property
    def spoken(self) -> int:
        """The place of the frame a window speaks for: its last one; the centre one, where that or most decide."""
        return self.length - 1 if self.label == LAST else self.length // 2


def check(head: str, given: Mapping[str, object]) -> None:
    """Refuse settings the head has not, and values that don't go together; `given` are those that flags gave."""
    kind = KINDS[head]
    for name in SETTINGS:
        if given.get(name) is not None and getattr(kind, name) is None:
            others = [other for other, its in KINDS.items() if getattr(its, name) is not None]
            raise UsageError(
                f'--{name} means nothing to the head {head}',
                where=f'--{name}',
                do=f'leave it out, or choose --head {" or ".join(others)}',
            )
    if given.get('augment') is not None and kind.looks_at == VECTORS:
        raise UsageError(
            f'--augment flips frames, and the head {head} looks at vectors',
            where='--augment',
            do=f'leave it out, or embed with --encoder pixels:HEIGHTxWIDTH for --head {" or ".join(of_frames())}',
        )
    if head == 'lstm' and given.get('hidden_units') == 0:
        raise UsageError('an lstm has hidden units', where='--hidden_units', do='give 1 or more, or leave it out')


def of_frames() -> tuple[str, ...]:
    """The heads that look at pixels."""
    return tuple(name for name, kind in KINDS.items() if kind.looks_at == FRAMES)


def of_vectors() -> tuple[str, ...]:
    """The heads that look at embeddings."""
    return tuple(name for name, kind in KINDS.items() if kind.looks_at == VECTORS)


def default_text(setting: str) -> str:
    """`16 for lstm, 120 for convlstm`: what a setting is where its flag is left out, for --help."""
    found = [(getattr(kind, setting), name) for name, kind in KINDS.items() if getattr(kind, setting) is not None]
    if len(found) > 1 and len({value for value, _ in found}) == 1:
        return str(found[0][0])
    return ', '.join(f'{value} for {name}' for value, name in found)


def flips(text: str) -> tuple[str, ...]:
    """The ways of `h,v,hv` in which frames are flipped at random: horizontally, vertically, both."""
    ways = tuple(dict.fromkeys(word.strip() for word in text.split(',') if word.strip()))
    if not ways or set(ways) - set(FLIPS):
        raise UsageError(
            f'ways to flip frames are {", ".join(FLIPS)}, got {text!r}',
            where='--augment',
            do='write for instance --augment h,v,hv',
        )
    return ways
