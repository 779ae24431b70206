"""What a cloud job is said to cost, against sums done by hand."""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from preprocess import costs, quotes
from preprocess.command import FlagParser
from preprocess.costs import Fleet, Overheads, TrainingFleet, Workload
from preprocess.failures import InputError, UsageError
from preprocess.machines import Accelerator, Machine
from preprocess.quotes import Training
from preprocess.rates import SOURCES, Rates

# Numbers that can be reckoned with in one's head.
ROUND = Overheads(
    start_s=100.0,
    row_s=0.001,
    new_row_s=0.002,
    csv_row_s=0.0,
    new_row_shuffle_bytes=1000.0,
    known_row_shuffle_bytes=500.0,
    bytes_per_s=100e6,
    request_s=0.05,
    requests_at_once=10,
    requests_an_opening=0,
    bytes_an_opening=0.0,
    piece_s=40.0,
    shard_bytes=819_200_000.0,
)
FOUR = Machine.named('n1-standard-4')


def work(**other: float) -> Workload:
    return Workload(
        **{  # type: ignore[arg-type]  # whole numbers where they must be
            'rows': 1_000_000,
            'pictures': 1_000_000,
            'in_store': 0,
            'picture_bytes': 100_000.0,
            'seconds_per_picture': 0.08,
            'vector_bytes': 8192,
            **other,
        }
    )


def test_the_time_is_that_of_the_phases_one_after_the_other():
    found = costs.estimate(work(), Fleet(10, FOUR), Rates(), ROUND)
    # A stat and a read each: 2,000,000 requests of 0.05 s, ten at once in each of ten workers. The 100 GB take less.
    assert found.naming_s == 1000.0
    # 80,000 core seconds over 40 vCPUs; reading once more takes half of that.
    assert found.embedding_s == 2000.0
    # 3 ms a row over 40 vCPUs.
    assert found.joining_s == 75.0
    assert found.wall_s == 100.0 + 1000.0 + 2000.0 + 75.0
    assert found.worker_hours == pytest.approx(31_750 / 3600)


def test_what_is_moved_is_counted():
    found = costs.estimate(work(in_store=400_000), Fleet(10, FOUR), Rates(), ROUND)
    assert found.read_bytes == 2 * 600_000 * 100_000
    assert found.written_bytes == (600_000 + 1_000_000) * 8192
    assert found.shuffle_bytes == 600_000 * 1000 + 400_000 * 500
    assert found.requests == 1_000_000 + 2 * 600_000
    # 2,000 pieces of 500 vectors, of which 1,200 are new; ten record files, each written and given its name.
    assert found.writes == 1200 + 2 * 10


def test_the_price_is_what_the_table_says_item_by_item():
    found = costs.estimate(work(), Fleet(10, FOUR, disk_gb=100.0), Rates(), ROUND)
    hours = 31_750 / 3600
    assert found.dollars == pytest.approx(
        {
            'vCPUs': hours * 4 * 0.056,
            'memory': hours * 15 * 0.003557,
            'disks': hours * 100 * 0.000054,
            # The first gigabyte at a quarter.
            'shuffle': 1.0 * 0.25 * 0.011,
            'storage requests': 3000 * 0.0004 + 2.02 * 0.005,
        }
    )
    assert found.total == pytest.approx(1.975556 + 0.470562 + 0.047625 + 0.00275 + 1.2101)


def test_nothing_is_paid_for_pictures_that_are_in_the_store_but_looking_and_writing():
    found = costs.estimate(work(in_store=1_000_000), Fleet(10, FOUR), Rates(), ROUND)
    assert (found.naming_s, found.embedding_s, found.joining_s) == (500.0, 0.0, 25.0)
    assert found.read_bytes == 0
    assert found.dollars['storage requests'] == pytest.approx(1000 * 0.0004 + 0.02 * 0.005)


def test_more_workers_take_less_time_and_as_many_hours_but_for_their_start():
    few, many = (costs.estimate(work(), Fleet(count, FOUR), Rates(), ROUND) for count in (10, 100))
    assert many.wall_s - 100.0 == pytest.approx((few.wall_s - 100.0) / 10)
    assert many.worker_hours - few.worker_hours == pytest.approx(90 * 100 / 3600)


def test_slow_reading_limits_fast_workers():
    found = costs.estimate(work(seconds_per_picture=0.0001), Fleet(10, FOUR), Rates(), ROUND)
    assert found.embedding_s == 500.0
    heavy = costs.estimate(work(picture_bytes=10e6), Fleet(10, FOUR), Rates(), ROUND)
    # 10 TB at 1 GB/s.
    assert heavy.embedding_s == heavy.naming_s == 10_000.0


def test_one_csv_is_read_by_one_worker_and_several_by_several():
    slow = Overheads(csv_row_s=0.01)
    one, ten = (costs.estimate(work(csvs=count), Fleet(100, FOUR), Rates(), slow).naming_s for count in (1, 10))
    assert (one, ten) == (10_000.0, 1000.0)


def test_the_speed_of_a_vcpu_and_of_a_worker_can_be_said():
    half = costs.estimate(work(), Fleet(10, FOUR, vcpu_speed=0.5), Rates(), ROUND)
    assert (half.embedding_s, half.joining_s) == (4000.0, 150.0)
    card = Fleet(10, FOUR, pictures_per_second=100.0, accelerator=Accelerator('nvidia-tesla-t4', 2))
    found = costs.estimate(work(), card, Rates(), ROUND)
    assert found.embedding_s == 1000.0
    assert found.dollars['accelerators'] == pytest.approx(found.worker_hours * 2 * 0.42)


def test_record_files_wait_for_the_pieces_they_open():
    waiting = replace(ROUND, requests_an_opening=3)
    found = costs.estimate(work(), Fleet(10, FOUR), Rates(), waiting)
    # A piece has what a core does in 40 s: 500 vectors. A file has 100,000; all ten open all pieces.
    assert (found.pieces, found.shards, found.openings) == (2000, 10, 20_000)
    # Three requests of 0.05 s each; ten files at a time, ten pieces at once.
    assert found.joining_s == pytest.approx(75.0 + 20_000 * 3 * 0.05 / 100)
    assert found.requests == 3_000_000 + 60_000
    thin = costs.estimate(work(), Fleet(10, FOUR), Rates(), replace(waiting, piece_s=0.0, bytes_an_opening=1e6))
    # No more than one for each record; a megabyte each at 1 GB/s.
    assert (thin.pieces, thin.openings) == (1_000_000, 1_000_000)
    assert thin.joining_s == pytest.approx(75.0 + 1_000_000 * 3 * 0.05 / 100)


def test_pieces_and_record_files_are_reckoned_as_big_as_they_are_made():
    from preprocess import pieces, shards

    rest = Overheads()
    assert (rest.piece_bytes, rest.piece_s, rest.shard_bytes) == (
        pieces.PIECE_BYTES,
        pieces.PIECE_SECONDS,
        shards.SHARD_BYTES,
    )


@pytest.mark.parametrize(
    ('gigabytes', 'charged'), [(0.0, 0.0), (100.0, 25.0), (250.0, 62.5), (5120.0, 2497.5), (6120.0, 3497.5)]
)
def test_the_first_gigabytes_of_the_shuffle_are_cheaper(gigabytes, charged):
    assert costs.charged_shuffle_gb(gigabytes) == charged


def test_training_costs_its_machine_by_the_hour():
    # n1-standard-4: 4 vCPUs, 15 GB; 100 GB of disk.
    hourly = 4 * 0.036353 + 15 * 0.004873 + 100 * 0.000268
    assert costs.training_dollars(1800.0, TrainingFleet(FOUR), Rates()) == pytest.approx(hourly / 2)
    cards = TrainingFleet(FOUR, nodes=3, accelerator=Accelerator('nvidia-tesla-t4', 2))
    assert costs.training_dollars(3600.0, cards, Rates()) == pytest.approx(3 * (hourly + 2 * 0.4025))
    with_card = costs.training_dollars(3600.0, TrainingFleet(Machine.named('g2-standard-8')), Rates())
    assert with_card == pytest.approx(8 * 0.02874 + 32 * 0.00337 + 100 * 0.000268 + 0.644046)


@pytest.mark.parametrize(
    'fleet',
    [TrainingFleet(Machine.named('t2d-standard-4')), TrainingFleet(FOUR, accelerator=Accelerator('tpu-v9'))],
)
def test_training_on_what_the_table_does_not_know_has_no_price(fleet):
    assert costs.training_dollars(3600.0, fleet, Rates()) is None


@pytest.mark.parametrize(
    ('name', 'vcpus', 'memory_gb', 'accelerator'),
    [
        ('n1-standard-4', 4, 15.0, None),
        ('n1-highmem-2', 2, 13.0, None),
        ('e2-standard-8', 8, 32.0, None),
        ('n2-highcpu-16', 16, 16.0, None),
        ('g2-standard-24', 24, 96.0, Accelerator('nvidia-l4', 2)),
        ('a2-highgpu-2g', 24, 170.0, Accelerator('nvidia-tesla-a100', 2)),
        ('custom-6-24576', 6, 24.0, None),
        ('n2-custom-8-20480', 8, 20.0, None),
        ('zones/us-central1-a/machineTypes/n2-standard-2', 2, 8.0, None),
    ],
)
def test_a_machine_type_says_what_is_in_it(name, vcpus, memory_gb, accelerator):
    found = Machine.named(name)
    assert (found.vcpus, found.memory_gb, found.accelerator) == (vcpus, memory_gb, accelerator)


@pytest.mark.parametrize(
    'name', ['', 'n1', 'n1-standard', 'n1-standard-0', 'x9-standard-4', 'g2-standard-5', 'n1-odd-4']
)
def test_a_machine_type_nobody_knows_is_refused_with_examples(name):
    with pytest.raises(UsageError, match='no machine type whose size is known here') as refused:
        Machine.named(name)
    assert 'n1-standard-4' in refused.value.do


def test_a_file_replaces_what_it_names_of_the_table(tmp_path):
    path = tmp_path / 'rates.json'
    path.write_text(json.dumps({'vcpu_hour': 0.1, 'region': 'europe-west4', 'accelerator_hour': {'nvidia-l4': 1}}))
    found = Rates.read(str(path))
    assert (found.vcpu_hour, found.region, found.memory_gb_hour) == (0.1, 'europe-west4', 0.003557)
    assert found.accelerator_hour['nvidia-l4'] == 1.0
    assert found.accelerator_hour['nvidia-tesla-t4'] == 0.42


@pytest.mark.parametrize(
    ('text', 'what'),
    [
        ('{', 'not JSON'),
        ('[1]', 'not a JSON object'),
        ('{"vcpu_hours": 1}', 'no such rate: vcpu_hours'),
        ('{"vcpu_hour": "1"}', "vcpu_hour is '1', not a number"),
        ('{"vcpu_hour": true}', 'vcpu_hour is True, not a number'),
        ('{"vcpu_hour": -1}', 'vcpu_hour is -1.0, which is no price'),
        ('{"vcpu_hour": NaN}', 'vcpu_hour is nan, which is no price'),
        ('{"region": 3}', 'region is 3, not a text'),
        ('{"accelerator_hour": 3}', 'accelerator_hour is 3, not an object of prices'),
        ('{"accelerator_hour": {"nvidia-l4": -3}}', 'accelerator_hour is -3.0, which is no price'),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, text, what):
    (tmp_path / 'rates.json').write_text(text)
    with pytest.raises(InputError) as refused:
        Rates.read(str(tmp_path / 'rates.json'))
    assert refused.value.what.startswith(what)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match='there is no such file'):
        Rates.read(str(tmp_path / 'rates.json'))


def flags(*words: str) -> argparse.Namespace:
    parser = FlagParser('test', 'a test')
    parser.add_argument('--num_workers', type=int)
    quotes.add_flags(parser)
    return parser.parse_args(list(words))


def test_what_is_asked_for_is_read_off_our_flags_and_beams():
    asked = quotes.from_flags(
        flags('--num_workers=4', '--vcpu_speed=0.7'),
        [
            '--worker_machine_type=n2-standard-8',
            '--region=europe-west4',
            '--disk_size_gb=50',
            '--dataflow_service_options=worker_accelerator=type:nvidia-tesla-t4;count:1;install-nvidia-driver',
            '--labels=a=b',
        ],
    )
    assert asked.fleet == Fleet(4, Machine.named('n2-standard-8'), 0.7, None, 50.0, Accelerator('nvidia-tesla-t4', 1))
    assert (asked.region, asked.notes) == ('europe-west4', ())


def test_a_job_that_may_grow_is_reckoned_as_grown():
    assert quotes.from_flags(flags('--num_workers=4'), ['--max_num_workers=40']).fleet.workers == 40


def test_what_nobody_said_is_filled_in_and_told():
    asked = quotes.from_flags(flags())
    assert (asked.fleet.workers, asked.fleet.machine.name) == (10, 'n2-standard-8')
    assert [note.split(',')[0] for note in asked.notes] == ['10 workers', 'n2-standard-8']


@pytest.mark.parametrize('word', ['--vcpu_speed=0', '--vcpu_speed=nan', '--worker_speed=-1', '--worker_speed=inf'])
def test_an_impossible_speed_is_refused(word):
    with pytest.raises(UsageError, match='is no speed'):
        quotes.from_flags(flags(word))


def test_the_lines_say_the_job_its_time_its_price_and_what_is_assumed(monkeypatch):
    monkeypatch.setattr(costs, 'Overheads', lambda: ROUND)
    asked = quotes.from_flags(flags('--num_workers=10'), ['--machine_type=n1-standard-4'])
    said = quotes.lines(work(rows=1_010_000, in_store=10_000), asked, Training(600.0, TrainingFleet(FOUR)))
    assert said == [
        'cloud     10 x n1-standard-4, 40 vCPUs, us-central1: 1,010,000 rows, 990,000 pictures to embed, 10,000 in the '
        'store already',
        'moves     198.00 GB to read, 16.30 GB to write, 1.00 GB through the shuffle',
        # 100 + 1,990,000 * 0.005 / 10 ... in seconds: 995 to look up, 1,980 to embed, (1,010 + 1,980) / 40 to join.
        'time      about 52 min, 8.7 worker-hours: 2 min until workers are up, 17 min looking up, 33 min embedding, '
        '75 s joining and writing',
        'cost      about $3.64: $1.96 vCPUs, $0.47 memory, $0.01 disks, $0.0027 shuffle, $1.20 storage requests',
        'keeping   what is written: $0.33 a month',
        'training  about 15 min on n1-standard-4, 5 min of it until it is up: $0.06',
        'in all    about 67 min and $3.70',
        'assumed   a vCPU is 1 of a core here, which takes 80.0 ms a picture; all workers are there from the first '
        'picture to the last',
        'assumed   pictures and store are in the region of the workers; a picture that moved since it was embedded '
        'counts as new',
        'assumed   list prices in US dollars of 2025-06 for us-central1, without discounts and taxes',
        "check     prices of Dataflow are as others quote the vendor's page: cloud.google.com/dataflow/pricing; "
        '--rates FILE puts in yours',
        'check     prices of Vertex AI are reckoned from those of Compute Engine: cloud.google.com/vertex-ai/pricing; '
        '--rates FILE puts in yours',
    ]


def test_what_the_user_has_said_of_prices_need_not_be_checked(tmp_path):
    path = tmp_path / 'rates.json'
    path.write_text(json.dumps(dict.fromkeys(['vcpu_hour', 'memory_gb_hour', 'disk_gb_hour', 'shuffle_gb'], 0.1)))
    said = quotes.lines(work(), quotes.from_flags(flags(f'--rates={path}')))
    assert [line for line in said if line.startswith('check')] == []
    options = ['--dataflow_service_options=worker_accelerator=type:nvidia-l4;count:1']
    said = quotes.lines(work(), quotes.from_flags(flags(f'--rates={path}'), options))
    assert 'prices of Dataflow are reckoned from those of Compute Engine' in said[-1]


def test_every_price_of_the_table_says_where_it_is_from():
    prices = {name for name, value in vars(Rates()).items() if not isinstance(value, str | frozenset)}
    assert set(SOURCES) == prices


def test_a_price_the_table_does_not_have_is_said_to_be_missing():
    options = ['--machine_type=n1-standard-4', '--dataflow_service_options=worker_accelerator=type:tpu-v9;count:1']
    unknown = TrainingFleet(Machine.named('t2d-standard-4'))
    said = quotes.lines(work(), quotes.from_flags(flags(), options), Training(60.0, unknown))
    assert 'assumed   tpu-v9 at no price, because the table has none' in said
    assert 'training  about 6 min on t2d-standard-4, for which --rates has no price' in said


@pytest.mark.parametrize(
    'impossible',
    [
        lambda: work(in_store=2_000_000),
        lambda: work(pictures=2_000_000),
        lambda: work(csvs=0),
        lambda: Fleet(0, FOUR),
        lambda: Fleet(1, FOUR, vcpu_speed=0.0),
        lambda: Overheads(bytes_per_s=0.0),
        lambda: Accelerator('nvidia-l4', 0),
        lambda: TrainingFleet(FOUR, nodes=0),
        lambda: Rates(vcpu_hour=math.inf),
    ],
)
def test_what_can_not_be_is_not_made(impossible):
    with pytest.raises(ValueError):
        impossible()


def test_every_rate_is_in_the_formats():
    text = (Path(__file__).parents[2] / 'docs' / 'formats.md').read_text()
    assert [name for name in {*SOURCES, 'as_of', 'region'} if f'`{name}`' not in text] == []
