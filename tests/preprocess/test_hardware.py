"""Hardware decodes where it is there and can; a machine without it never notices."""

import logging
from collections.abc import Iterator

import pytest
from av.codec import Codec
from av.error import ExternalError

from preprocess import hardware


class Device:
    """A kind of device of which only some are in the machine, for some codecs."""

    present: dict[str, set[str]] = {}
    opened: list[str] = []

    def __init__(self, name: str, *, allow_software_fallback: bool) -> None:
        assert allow_software_fallback
        self.name = name

    def create(self, codec: Codec) -> 'Device':
        self.opened.append(self.name)
        if self.name not in self.present:
            raise ExternalError(1, 'no such device')
        if codec.name not in self.present[self.name]:
            raise NotImplementedError(f'no {codec.name}')
        return self


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    monkeypatch.setattr(hardware, 'HWAccel', Device)
    monkeypatch.setattr(hardware, 'hwdevices_available', lambda: ['drm', 'qsv', 'vaapi', 'cuda'])
    Device.present, Device.opened = {}, []
    hardware.accelerator.cache_clear()
    yield Device.present
    hardware.accelerator.cache_clear()


def named(codec: str) -> str | None:
    found = hardware.accelerator(codec)
    return getattr(found, 'name', None)


def test_the_first_device_that_opens_is_taken(devices: dict[str, set[str]], caplog: pytest.LogCaptureFixture) -> None:
    devices |= {'vaapi': {'h264'}, 'qsv': {'h264'}}
    with caplog.at_level(logging.INFO):
        assert named('h264') == 'vaapi'
    assert 'h264 is decoded by vaapi' in caplog.text


def test_a_device_that_does_not_know_the_codec_is_passed_over(devices: dict[str, set[str]]) -> None:
    devices |= {'cuda': {'hevc'}, 'vaapi': {'mpeg2video'}}
    assert named('hevc') == 'cuda'
    assert named('mpeg2video') == 'vaapi'
    assert named('h264') is None


def test_without_hardware_each_device_is_tried_once(devices: dict[str, set[str]]) -> None:
    assert [named('h264') for _ in range(5)] == [None] * 5
    assert Device.opened == ['cuda', 'vaapi', 'qsv']


def test_what_this_machine_has_is_found_without_an_error() -> None:
    hardware.accelerator.cache_clear()
    found = [hardware.accelerator(codec) for codec in ('h264', 'hevc', 'mpeg4', 'vp8')]
    # Whatever it is, software takes over where it fails.
    assert all(one is None or one.allow_software_fallback for one in found)
