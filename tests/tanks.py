"""A made-up fish tank: a bright fish that rests, and now and then darts; as pictures or as a video."""

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 32
_FISH = 5


def frames(count: int, *, seed: int = 0, every: int = 40) -> np.ndarray:
    """uint8[count, HEIGHT, WIDTH]: the fish swims a little all the time, and darts about once in `every` frames."""
    random = np.random.default_rng(seed)
    darts = np.arange(count) % every >= every - 6
    speed = np.where(darts, 4.0, 0.4)
    turns = np.cumsum(random.normal(0, 0.5, count))
    x = np.cumsum(speed * np.cos(turns)) + WIDTH / 2
    y = np.cumsum(speed * np.sin(turns)) + HEIGHT / 2
    ground = random.integers(0, 20, (HEIGHT, WIDTH)).astype(np.uint8)
    film = np.repeat(ground[None], count, axis=0)
    for place in range(count):
        top, left = int(y[place]) % (HEIGHT - _FISH), int(x[place]) % (WIDTH - _FISH)
        film[place, top : top + _FISH, left : left + _FISH] = 230
    return film


def write_pictures(folder: Path, film: np.ndarray, *, first: int = 0, extension: str = 'png') -> Path:
    """Frames as 00000.png, 00001.png …"""
    folder.mkdir(parents=True, exist_ok=True)
    for place, frame in enumerate(film):
        Image.fromarray(frame).save(folder / f'{first + place:05d}.{extension}')
    return folder


def write_video(path: Path, film: np.ndarray, *, rate: int = 30) -> Path:
    """Frames as a video that loses nothing (FFV1)."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('ffv1', rate=rate)
        stream.height, stream.width = film.shape[1:3]
        stream.pix_fmt = 'gray'
        for frame in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='gray')))
        container.mux(stream.encode(None))
    return path
