"""A video file opened for its packets: which stream, where to begin reading, and FFmpeg's errors as reasons."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import DecoderNotFoundError, FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from preprocess import files

# What is read. Playlists and lists of other files are not: what they name would be opened, anywhere.
_DEMUXERS = (
    'asf,avi,flv,h264,hevc,ivf,m4v,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mxf,nut,ogg,rm,'
    'yuv4mpegpipe'
)
_OPTIONS = {'format_whitelist': _DEMUXERS, 'protocol_whitelist': 'none'}
_BUFFER_BYTES = 1 << 18
_HEAD_BYTES = 64
# How files of these kinds begin, at byte 0; ISO files (MP4, MOV) name a box at byte 4.
_MAGICS = (
    b'RIFF',
    b'\x1aE\xdf\xa3',
    b'G',
    b'\0\0\x01',
    b'FLV',
    b'0&\xb2u',
    b'OggS',
    b'\0\0\0\x01',
    b'\xff\xd8',
    b'DKIF',
)
_ISO_BOXES = (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip', b'pnot')


class VideoError(ValueError):
    """A video that can't be used; `reason` is a key of preprocess.reasons.REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f'{self.reason}: {self.message}'


@dataclass(frozen=True)
class OpenVideo:
    """A file open for reading, and the stream in it that is its video."""

    container: InputContainer
    stream: VideoStream

    def packets(self) -> 'Iterator[Packet[VideoStream]]':
        """Its packets in the order of decoding."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except IndexError:
                return  # PyAV's own, at the end, where another stream turned up under way
            if packet.size:  # the last one of all is empty, for the decoder
                yield packet


@contextmanager
def opened(uri: str, *, hardware: HWAccel | None = None) -> Iterator[OpenVideo]:
    """The video of a file on any storage; VideoError when it holds none, OSError when it can't be read."""
    with files.open_read(uri) as source:
        try:
            container = av.open(
                source,
                'r',
                options=_OPTIONS,
                metadata_errors='replace',
                buffer_size=_BUFFER_BYTES,
                hwaccel=hardware,
            )
        except FFmpegError as error:
            source.seek(0)
            raise _unopened(source.read(_HEAD_BYTES), error) from None
        with container:
            yield OpenVideo(container, _video_stream(container))


def said(error: FFmpegError) -> str:
    """FFmpeg's message in a few words."""
    return (error.strerror or type(error).__name__).lower()


def _video_stream(container: InputContainer) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        held = sorted({stream.type for stream in container.streams})
        raise VideoError('no-video-stream', f'it holds {", ".join(held) or "nothing"}, no video')
    chosen = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    if chosen.codec_context is None:
        raise VideoError('unsupported-codec', 'no decoder here knows its codec')
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    return chosen


def _unopened(head: bytes, error: FFmpegError) -> VideoError:
    if not head:
        return VideoError('empty-file', 'the file has no bytes')
    if isinstance(error, DecoderNotFoundError):
        return VideoError('unsupported-codec', said(error))
    if isinstance(error, EOFError) and head.startswith(_MAGICS):
        return VideoError('no-frames', 'it ends behind its headers')
    if head[4:8] in _ISO_BOXES:
        return VideoError('truncated', 'its index (moov) is missing: the recording or copy was not finished')
    if head.startswith(_MAGICS):
        return VideoError('corrupt', said(error))
    return VideoError('not-a-video', f'it begins with {head[:8].hex(" ")}')
