"""TensorFlow's library without its Python package: the same settings, the same bits, room for others beside it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from preprocess import files, tensorflow_engine
from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder
from preprocess.encoders import EncoderSpec, compile_encoder
from preprocess.failures import RunFailed
from preprocess.streams import Streams

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def mini(tmp_path_factory: pytest.TempPathFactory) -> CompiledEncoder:
    return compile_encoder(EncoderSpec('mini'), str(tmp_path_factory.mktemp('encoders') / 'mini'))


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)


def library_is_used() -> bool:
    return tensorflow_engine._library() is not None


@pytest.mark.parametrize('has_gpus', [False, True])
@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
@pytest.mark.parametrize('streams', [Streams(2, 1), Streams(16, 4)])
def test_the_settings_are_those_tensorflow_reads(precision, streams, has_gpus):
    import tensorflow as tf

    expected = tf.compat.v1.ConfigProto()
    expected.intra_op_parallelism_threads = 64 if streams.threads == 4 else 1
    expected.inter_op_parallelism_threads = 0 if has_gpus else -1
    expected.gpu_options.allow_growth = True
    rewriting = expected.graph_options.rewrite_options
    if precision == 'bfloat16':
        expected.device_count['GPU'] = 0
        rewriting.optimizers.extend(['constfold', 'auto_mixed_precision_onednn_bfloat16', 'remap'])
        rewriting.meta_optimizer_iterations = 1
    elif not has_gpus:
        rewriting.optimizers.extend(['constfold', 'remap'])
        rewriting.meta_optimizer_iterations = 1
    rewriting.SetInParent()
    said = tensorflow_engine.session_config(precision, streams, has_gpus=has_gpus)
    assert tf.compat.v1.ConfigProto.FromString(said) == expected


def test_the_library_gives_the_bits_of_the_python_package(mini: CompiledEncoder):
    assert library_is_used()
    streams = Streams(2)
    config = tensorflow_engine.session_config('float32', streams, has_gpus=False)
    ends = tensorflow_engine.Ends(PIXELS, VECTORS, mini.vector_size, mini.graph_path)
    through_python = tensorflow_engine._through_python(files.read_bytes(mini.graph_path), config, ends)
    by_library = tensorflow_engine.load(mini, streams)
    pixels = pictures(8)
    assert np.array_equal(by_library(pixels), through_python(pixels))


def test_batches_at_the_same_time_do_not_meet(mini: CompiledEncoder):
    run = tensorflow_engine.load(mini, Streams(2))
    batches = [pictures(40)[first : first + 8] for first in range(0, 40, 8)] * 6
    alone = [run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as callers:
        assert all(np.array_equal(one, other) for one, other in zip(callers.map(run, batches), alone, strict=True))


def test_what_the_library_refuses_is_told_in_its_words(mini: CompiledEncoder):
    run = tensorflow_engine.load(mini, Streams(1))
    with pytest.raises(RunFailed, match='can not run the graph: .*96') as caught:
        run(np.zeros((8, 50, 96, 3), np.uint8))
    assert caught.value.where == mini.graph_path


def test_embedding_loads_no_python_package_and_leaves_a_later_training_its_threads(mini: CompiledEncoder):
    code = """
import sys
import numpy as np
from preprocess.compiled import CompiledEncoder
from preprocess.engines import load_engine
engine = load_engine(CompiledEncoder.load(sys.argv[1]), threads=1)
pixels = np.zeros((2, *engine.input_shape), np.uint8)
before = engine.encode(pixels)
print('tensorflow' in sys.modules)
import os
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(3)
threads = len(os.listdir('/proc/self/task'))
tf.linalg.matmul(tf.ones((500, 500)), tf.ones((500, 500)))
print(len(os.listdir('/proc/self/task')) >= threads + 3, np.array_equal(engine.encode(pixels), before))
"""
    command = [sys.executable, '-c', code, mini.directory]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['False', 'True', 'True']


def test_what_a_graph_held_goes_with_it(mini: CompiledEncoder):
    code = """
import os, sys
from preprocess import tensorflow_engine
from preprocess.compiled import CompiledEncoder
from preprocess.streams import Streams
for _ in range(4):  # a session has a thread of its own
    tensorflow_engine.load(CompiledEncoder.load(sys.argv[1]), Streams(2))
    print(len(os.listdir('/proc/self/task')))
"""
    command = [sys.executable, '-c', code, mini.directory]
    first, *others = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert others == [first] * 3
