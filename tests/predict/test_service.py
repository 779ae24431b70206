import asyncio
import threading

import pytest

from predict.batching import Batching
from predict.metrics import Metrics
from predict.pictures import Picture, Unusable
from predict.refusals import Refused
from predict.service import Manner, Service
from predict.serving import Machinery, Served
from preprocess.failures import RunFailed
from tests.predict.servers import FakeAnswerer, until
from tests.predict.test_web_load import picture

MACHINERY = Machinery(Batching(sizes=(1, 2), places=4, wait_s=0), decoders=1)


def served(model: FakeAnswerer) -> Served:
    made = Served(model, MACHINERY)
    model.forget()
    return made


def test_a_request_under_way_when_the_model_changes_is_answered_by_the_old_one():
    old, new = FakeAnswerer(), FakeAnswerer(labels=('dunkel', 'hell'), side=16)

    async def run() -> tuple[str | None, str | None, int | None]:
        service = Service(Manner('m'), Metrics())
        service.put(served(old))
        old.gate.clear()
        before = asyncio.create_task(service.predict([Picture('a', picture(255))]))
        await asyncio.to_thread(old.began.acquire)
        service.put(served(new))
        after = await service.predict([Picture('b', picture(255))])
        assert not before.done()
        old.gate.set()
        answered = await before
        await service.close()
        return answered.answers[0].label, after.answers[0].label, service.version

    assert asyncio.run(run()) == ('light', 'hell', 2)


def test_the_answers_of_a_request_are_in_its_order_with_its_keys():
    async def run():
        service = Service(Manner('m'), Metrics())
        service.put(served(FakeAnswerer()))
        asked = [
            Picture('a', picture(255)),
            Unusable('b', 'bad-request: no'),
            Picture('c', b''),
            Picture('d', picture(0)),
        ]
        answered = await service.predict(asked)
        await service.close()
        return [(answer.key, answer.label, answer.error) for answer in answered.answers]

    assert asyncio.run(run()) == [
        ('a', 'light', None),
        ('b', None, 'bad-request: no'),
        ('c', None, 'empty-file: the file has no bytes'),
        ('d', 'dark', None),
    ]


def test_a_path_is_never_opened(tmp_path):
    (tmp_path / 'a.png').write_bytes(picture(255))

    async def run():
        service = Service(Manner('m'), Metrics())
        service.put(served(FakeAnswerer()))
        try:
            await service.predict([Picture('a', str(tmp_path / 'a.png'))])
        finally:
            await service.close()

    with pytest.raises(TypeError, match='never their names'):
        asyncio.run(run())


def test_a_small_request_passes_a_large_one_and_what_is_left_at_the_end_is_answered(monkeypatch):
    made, gate, order = served(FakeAnswerer()), threading.Event(), []
    decode = made._pool.decode

    def held(data: bytes):
        assert gate.wait(60)
        order.append(data)
        return decode(data)

    monkeypatch.setattr(made._pool, 'decode', held)
    large = made.submit([Picture('', picture(light)) for light in (0, 1, 2)])
    small = made.submit([Picture('', picture(255))])
    gate.set()
    assert [answer.result(60).label for answer in large + small] == ['dark'] * 3 + ['light']
    assert order.index(picture(255)) == 1
    gate.clear()
    left = made.submit([Picture('', picture(light)) for light in (0, 1, 255)])
    closing = threading.Thread(target=made.close)
    closing.start()
    until(lambda: made._threads._shutdown)
    gate.set()
    closing.join(60)
    assert [answer.result(0).label for answer in left] == ['dark', 'dark', 'light']


def test_without_a_model_a_request_is_told_to_come_again():
    with pytest.raises(Refused) as refused:
        asyncio.run(Service(Manner('m'), Metrics()).predict([Picture('a', b'')]))
    assert (refused.value.status, refused.value.retry_after_s) == (503, 2)


def test_a_model_that_fails_to_warm_up_leaves_nothing_behind():
    with pytest.raises(RunFailed):
        Served(FakeAnswerer(fails_with=RunFailed('no', where='here', do='that')), MACHINERY)
    assert [one.name for one in threading.enumerate() if one.name.startswith(('decode', 'batch'))] == []
