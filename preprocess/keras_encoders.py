"""Keras applications as networks to freeze, with their weights found, fetched, read from a file or drawn (Keras)."""

import os
import socket
import zipfile
from collections.abc import Iterator

import h5py
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import near
from preprocess.applications import Application
from preprocess.failures import InputError
from preprocess.freezing import Network

Array = NDArray[np.float32]

RANDOM_SEED = 0
# Without a network a fetch must not look like a hang.
_CONNECT_TIMEOUT_S = 10.0


def imagenet(application: Application) -> Network:
    """With the ImageNet weights in Keras' cache, fetched once when they aren't there."""
    return from_file(application, _cached_weights(application))


def from_file(application: Application, path: str) -> Network:
    """With the weights in a Keras .h5, .weights.h5 or .keras file, with or without a classifier on top."""
    model = _features(application)
    try:
        _load_weights(model, near.file(path))
    # What h5py, zipfile and Keras raise for files that are damaged or of another network.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(
            f'not the weights of {application.constructor} ({" ".join(str(error).split())[:300]})',
            where=path,
            do='give the .h5, .weights.h5 or .keras file of that very network, with or without its classifier',
        ) from None
    return _network(application, model)


def random(application: Application) -> Network:
    """With weights drawn from a fixed seed, never trained: the same in every process."""
    model = _features(application)
    generator = np.random.default_rng(RANDOM_SEED)
    for weight in model.weights:
        if weight.path.endswith('kernel'):
            # He initialisation keeps activations alive through the depth.
            fan_in = max(1, int(np.prod(weight.shape[:-1])))
            weight.assign(generator.normal(0.0, np.sqrt(2.0 / fan_in), weight.shape).astype(np.float32))
    return _network(application, model)


def _features(application: Application) -> keras.Model:
    constructor = getattr(keras.applications, application.constructor)
    shape = (application.size, application.size, 3)
    model: keras.Model = constructor(include_top=False, weights=None, pooling='avg', input_shape=shape)
    return model


def _network(application: Application, model: keras.Model) -> Network:
    def encode(pixels: tf.Tensor) -> tf.Tensor:
        values = tf.cast(pixels, tf.float32)
        return model(values / 127.5 - 1.0 if application.scaled else values, training=False)

    return Network(encode=encode, input_shape=(application.size, application.size, 3), owner=model)


def _cached_weights(application: Application) -> str:
    home = os.environ.get('KERAS_HOME') or os.path.expanduser('~/.keras')  # as Keras finds its cache
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_TIMEOUT_S)
    try:
        path: str = keras.utils.get_file(
            application.weights_file,
            application.weights_url,
            cache_subdir='models',
            file_hash=application.weights_md5[0] if application.weights_md5 else None,
        )
        return path
    except Exception as error:  # Keras raises a bare Exception when a fetch fails
        if type(error) is not Exception and not isinstance(error, (OSError, ValueError)):
            raise
        raise InputError(
            f'the ImageNet weights could not be fetched ({str(error).replace(application.weights_url, "it")})',
            where=application.weights_url,
            do=_WAYS_OUT.format(cache=os.path.join(home, 'models')),
        ) from None
    finally:
        socket.setdefaulttimeout(before)


_WAYS_OUT = (
    'put that file into {cache}, or give --encoder_weights FILE (Keras .h5, .weights.h5, .keras), '
    'or --encoder DIR or hub:URL; --encoder_weights random is for trying the plumbing only'
)


def _load_weights(model: keras.Model, path: str) -> None:
    # Keras only warns of layers for which it finds nothing in a file; NaN tells them apart.
    model.set_weights([np.full(weight.shape, np.nan, np.float32) for weight in model.weights])
    if path.endswith('.weights.h5'):
        model.load_weights(path)
    else:
        _set_in_order(model, _saved_model_weights(path) if path.endswith('.keras') else _h5_weights(path))
    if any(np.isnan(weight).any() for weight in model.get_weights()):
        raise ValueError('it lacks the weights of some layers')


def _set_in_order(model: keras.Model, given: list[list[Array]]) -> None:
    """Layers come in the network's order in every such file; a classifier's stand behind those that are wanted."""
    wanted = [layer for layer in model.layers if layer.weights]
    if len(given) < len(wanted):
        raise ValueError(f'{len(given)} layers with weights, the network has {len(wanted)}')
    for layer, weights in zip(wanted, given, strict=False):
        layer.set_weights(weights)


def _saved_model_weights(path: str) -> list[list[Array]]:
    """Each layer's weights in a .keras file; code in it is refused (safe_mode)."""
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return [layer.get_weights() for layer in _flattened(model) if layer.weights]


def _flattened(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, those of the networks inside it in their places."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flattened(layer)
        else:
            yield layer


def _h5_weights(path: str) -> list[list[Array]]:
    """Each layer's weights in an .h5 file of weights or of a whole model, whose configuration is not read."""
    with h5py.File(path, 'r') as whole:
        group = whole if 'layer_names' in whole.attrs else whole['model_weights']
        layers = [group[_text(name)] for name in group.attrs['layer_names']]
        named = [(layer, [_text(name) for name in layer.attrs['weight_names']]) for layer in layers]
        return [[np.asarray(layer[name]) for name in names] for layer, names in named if names]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
