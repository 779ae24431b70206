"""A frozen graph in TensorFlow, by the C interface of its library wherever that is found: an encoder's, or a head's.

The Python package takes 3 s and 250 MB to import, and its sessions hold the graph once more than this one does.
"""

import ctypes
import importlib.util
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess import files, processor
from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder
from preprocess.failures import RunFailed
from preprocess.streams import Streams

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Rows = NDArray[np.uint8 | np.float32]
Run = Callable[[Rows], Vectors]

_BFLOAT16 = 'auto_mixed_precision_onednn_bfloat16'
# What a graph goes through when it is loaded. Naming what makes a processor fast leaves out the rest, which copy it.
_REWRITING = {'float32': ('constfold', 'remap'), 'bfloat16': ('constfold', _BFLOAT16, 'remap')}
# Of TensorFlow's C interface (c_api.h, tf_datatype.h).
_FLOAT, _UINT8, _OK = 1, 4, 0
_LIBRARIES = ('libtensorflow_cc.so.2', 'libtensorflow_cc.2.dylib')
_Pointer = ctypes.c_void_p


@dataclass(frozen=True)
class Ends:
    """Where a graph begins and ends: its input, its output, how wide that is; and which file it is from."""

    takes: str
    gives: str
    width: int
    where: str


def load(encoder: CompiledEncoder, streams: Streams) -> Run:
    """The graph as it is, or turned to bfloat16 where that is worth it while it is loaded."""
    graph = files.read_bytes(encoder.graph_path)
    config = session_config(encoder.precision, streams, has_gpus=processor.gpus() > 0)
    run = load_graph(graph, config, Ends(PIXELS, VECTORS, encoder.vector_size, encoder.graph_path))
    # The first batch prepares the graph; one picture is enough for that.
    run(np.zeros((1, *encoder.input_shape), np.uint8))
    return run


def load_graph(graph: bytes, config: bytes, ends: Ends) -> Run:
    """A graph of constants as a function of its input."""
    # The Python package knows where the libraries of a GPU are.
    library = None if processor.gpus() else _library()
    return _through_python(graph, config, ends) if library is None else _Session(library, graph, config, ends).run


def session_config(precision: str, streams: Streams, *, has_gpus: bool) -> bytes:
    """A serialised ConfigProto: threads, and what the graph goes through."""
    rewriting: list[tuple[int, int | bytes]] = [*((100, name.encode()) for name in _REWRITING[precision]), (12, 1)]
    if has_gpus and precision == 'float32':
        rewriting = []  # TensorFlow's own choice
    # On processors a batch is worked on by the thread that brings it; several threads inside operations are shared.
    inside, between = (streams.all_threads if streams.threads > 1 else 1), (0 if has_gpus else -1)
    fields: list[tuple[int, int | bytes]] = [
        *((2, inside), (5, between)),
        (6, _message([(4, 1)])),  # a GPU's memory as it is needed: others may want some of it
        (10, _message([(10, _message(rewriting))])),
    ]
    if precision == 'bfloat16':
        # The rewriting is for processors; a GPU would go on in float32.
        fields.append((1, _message([(1, b'GPU'), (2, 0)])))
    return _message(fields)


def _message(fields: Sequence[tuple[int, int | bytes]]) -> bytes:
    """A protocol buffer of whole numbers, texts and messages by their field numbers."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3), _varint(value)]
        else:
            parts += [_varint(number << 3 | 2), _varint(len(value)), value]
    return b''.join(parts)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative ones in two's complement
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _through_python(graph: bytes, config: bytes, ends: Ends) -> Run:
    """A session of the Python package, which is everywhere and slower to come."""
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(graph)
    with tf.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(graph_def, name='')
    session = tf.compat.v1.Session(graph=imported, config=tf.compat.v1.ConfigProto.FromString(config))
    run: Run = session.make_callable(ends.gives, [ends.takes])
    return run


def _library() -> ctypes.CDLL | None:
    """TensorFlow's library with the C interface, as its package brings it; None where that has none we know."""
    package = importlib.util.find_spec('tensorflow')
    for folder in package.submodule_search_locations or () if package else ():
        for name in _LIBRARIES:
            if (path := Path(folder, name)).exists():
                return _declared(ctypes.CDLL(str(path)))
    return None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL | None:
    try:
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError:
        return None
    return library


_Pointers, _Texts = ctypes.POINTER(_Pointer), ctypes.POINTER(ctypes.c_char_p)
_FUNCTIONS = {
    'TF_NewStatus': (_Pointer,),
    'TF_GetCode': (ctypes.c_int, _Pointer),
    'TF_Message': (ctypes.c_char_p, _Pointer),
    'TF_DeleteStatus': (None, _Pointer),
    'TF_NewSessionOptions': (_Pointer,),
    'TF_SetConfig': (None, _Pointer, ctypes.c_char_p, ctypes.c_size_t, _Pointer),
    'TF_DeleteSessionOptions': (None, _Pointer),
    # "Deprecated" for want of a graph of its own beside the session's, which is why it is wanted here.
    'TF_NewDeprecatedSession': (_Pointer, _Pointer, _Pointer),
    'TF_DeleteDeprecatedSession': (None, _Pointer, _Pointer),
    'TF_ExtendGraph': (None, _Pointer, ctypes.c_char_p, ctypes.c_size_t, _Pointer),
    'TF_AllocateTensor': (_Pointer, ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.c_size_t),
    'TF_TensorData': (_Pointer, _Pointer),
    'TF_Dim': (ctypes.c_int64, _Pointer, ctypes.c_int),
    'TF_DeleteTensor': (None, _Pointer),
    'TF_Run': (
        *(None, _Pointer, _Pointer),
        *(_Texts, _Pointers, ctypes.c_int),
        *(_Texts, _Pointers, ctypes.c_int),
        *(_Texts, ctypes.c_int, _Pointer, _Pointer),
    ),
}


class _Session:
    """A graph in a session; any thread may run it."""

    def __init__(self, library: ctypes.CDLL, graph: bytes, config: bytes, ends: Ends) -> None:
        self._library = library
        self._ends = ends
        options = library.TF_NewSessionOptions()
        try:
            with self._status() as status, _threads_of_its_own():
                library.TF_SetConfig(options, config, len(config), status)
                self._session = library.TF_NewDeprecatedSession(options, status)
        finally:
            library.TF_DeleteSessionOptions(options)
        # Whoever loads one graph after the other, as a server does that follows new exports, holds but the last.
        weakref.finalize(self, _delete, library, self._session).atexit = False
        with self._status() as status:
            library.TF_ExtendGraph(self._session, graph, len(graph), status)

    def run(self, rows: Rows) -> Vectors:
        """One batch."""
        library = self._library
        taken = self._tensor(rows)
        given = (_Pointer * 1)()
        try:
            with self._status() as status:
                library.TF_Run(
                    *(self._session, None),
                    *(_names(self._ends.takes), (_Pointer * 1)(taken), 1),
                    *(_names(self._ends.gives), given, 1),
                    *(None, 0, None, status),
                )
            return self._vectors(given[0])
        finally:
            library.TF_DeleteTensor(taken)
            library.TF_DeleteTensor(given[0])

    def _tensor(self, rows: Rows) -> int:
        kind = _UINT8 if rows.dtype == np.uint8 else _FLOAT
        shape = (ctypes.c_int64 * rows.ndim)(*rows.shape)
        tensor: int = self._library.TF_AllocateTensor(kind, shape, rows.ndim, rows.nbytes)
        room = (ctypes.c_uint8 * rows.nbytes).from_address(self._library.TF_TensorData(tensor))
        np.ctypeslib.as_array(room).view(rows.dtype).reshape(rows.shape)[:] = rows
        return tensor

    def _vectors(self, tensor: int | None) -> Vectors:
        count, width = self._library.TF_Dim(tensor, 0), self._ends.width
        numbers = (ctypes.c_float * (count * width)).from_address(self._library.TF_TensorData(tensor))
        return np.ctypeslib.as_array(numbers).reshape(count, width).copy()

    @contextmanager
    def _status(self) -> Iterator[int]:
        status = self._library.TF_NewStatus()
        try:
            yield status
            if self._library.TF_GetCode(status) != _OK:
                said = self._library.TF_Message(status).decode(errors='replace')
                raise RunFailed(
                    f'TensorFlow can not run the graph: {" ".join(said.split())[:300]}',
                    where=self._ends.where,
                    do='see whether there is memory left; else delete its directory and embed the pictures again',
                )
        finally:
            self._library.TF_DeleteStatus(status)


def _delete(library: ctypes.CDLL, session: int) -> None:
    status = library.TF_NewStatus()
    library.TF_DeleteDeprecatedSession(session, status)
    library.TF_DeleteStatus(status)


def _names(name: str) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * 1)(name.encode())


@contextmanager
def _threads_of_its_own() -> Iterator[None]:
    """TensorFlow's first device would set the number of threads of all others, a training's in this process too."""
    name = 'TF_OVERRIDE_GLOBAL_THREADPOOL'
    before = os.environ.get(name)
    os.environ[name] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
