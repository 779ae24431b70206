"""Fetching a model by its hub address through tensorflow-hub's own cache."""

from preprocess.failures import InputError


def fetch(handle: str) -> str:
    """The local directory of a hub model, downloaded when tensorflow-hub doesn't have it yet."""
    try:
        # Imported here alone: it needs pkg_resources, hence setuptools < 82.
        import tensorflow_hub
    except ImportError as error:
        raise InputError(
            f'hub: encoders need the extra `beam` ({error})',
            where=f'--encoder hub:{handle}',
            do="pip install 'headlight[beam]'",
        ) from None
    try:
        path: str = tensorflow_hub.resolve(handle)
        return path
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f'the hub model could not be fetched ({error})',
            where=f'--encoder hub:{handle}',
            do='check the address and the network, or download the model and give its directory: --encoder DIR',
        ) from None
