"""What is read of requests, and how much is held of all of them at a time."""

import asyncio

import pytest

from predict.bodies import Gone, Intake, hung_up
from predict.refusals import Refused

Messages = list[dict]


def body(*pieces: bytes) -> Messages:
    messages = [{'type': 'http.request', 'body': piece, 'more_body': True} for piece in pieces]
    messages[-1]['more_body'] = False
    return messages


def receiving(messages: Messages):
    coming = iter(messages)

    async def receive() -> dict:
        return next(coming)

    return receive


def scope(length: int | None = None) -> dict:
    return {'headers': [] if length is None else [(b'content-length', str(length).encode())]}


async def read(intake: Intake, *pieces: bytes) -> bytes:
    async with intake.body(scope(), receiving(body(*pieces))) as found:
        assert intake.held == sum(map(len, pieces))
        return found


def test_pieces_are_one_body_and_nothing_is_held_afterwards():
    intake = Intake(100, 1000)
    assert asyncio.run(read(intake, b'ab', b'', b'c')) == b'abc'
    assert asyncio.run(read(intake, b'')) == b''
    assert intake.held == 0


def test_all_bodies_together_have_a_limit_and_are_forgotten_when_answered():
    intake = Intake(100, 150)

    async def run() -> tuple[str, int | None, bytes]:
        async with intake.body(scope(), receiving(body(bytes(100)))):
            with pytest.raises(Refused) as refused:
                await read(intake, bytes(60))
        return refused.value.reason, refused.value.retry_after_s, await read(intake, bytes(60))

    reason, retry_after_s, after = asyncio.run(run())
    assert (reason, retry_after_s, len(after), intake.held) == ('busy', 1, 60, 0)


@pytest.mark.parametrize('announced', [None, 101])
def test_one_body_has_a_limit(announced):
    intake = Intake(100, 1000)

    async def run() -> None:
        async with intake.body(scope(announced), receiving(body(bytes(60), bytes(60), b'never read'))):
            raise AssertionError('it was read')

    with pytest.raises(Refused) as refused:
        asyncio.run(run())
    assert (refused.value.status, intake.held) == (413, 0)


def test_a_client_that_hangs_up_within_its_body_is_gone():
    intake = Intake(100, 1000)

    async def run() -> None:
        messages = [{'type': 'http.request', 'body': b'a', 'more_body': True}, {'type': 'http.disconnect'}]
        async with intake.body(scope(), receiving(messages)):
            raise AssertionError('it was read')

    with pytest.raises(Gone):
        asyncio.run(run())
    assert intake.held == 0


def test_a_timeout_of_the_answer_is_not_taken_for_the_bodys():
    async def run() -> None:
        async with Intake(100, 1000).body(scope(), receiving(body(b'a'))):
            raise TimeoutError('of the network')

    with pytest.raises(TimeoutError, match='of the network'):
        asyncio.run(run())


def test_only_hanging_up_is_hanging_up():
    messages = [{'type': 'http.request'}, {'type': 'http.request'}, {'type': 'http.disconnect'}]
    assert asyncio.run(hung_up(receiving(messages))) is None
