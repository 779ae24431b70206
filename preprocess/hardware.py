"""Decoding by hardware, where this machine has any: which device, found out by opening it once."""

import logging
from functools import lru_cache

from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError

_log = logging.getLogger(__name__)
# NVIDIA, Apple, Intel and AMD on Linux, Windows, Intel by its own library.
_PREFERRED = ('cuda', 'videotoolbox', 'vaapi', 'd3d11va', 'qsv')


@lru_cache
def accelerator(codec: str) -> HWAccel | None:
    """What decodes this codec in hardware here; None where nothing does."""
    offered = hwdevices_available()
    for device in (name for name in _PREFERRED if name in offered):
        candidate = HWAccel(device, allow_software_fallback=True)
        try:
            candidate.create(Codec(codec, 'r'))
        except (FFmpegError, NotImplementedError, ValueError) as error:
            # FFmpeg was built for many devices; that one is not in this machine, or not for this codec.
            _log.debug('%s does not decode %s here: %s', device, codec, error)
            continue
        _log.info('%s is decoded by %s', codec, device)
        return candidate
    return None
