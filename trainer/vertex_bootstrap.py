"""First lines of a training job on an image that nobody prepared: fetch the package, install it, become the trainer.

Sent as text to `python3 -c`: it knows the standard library only. PACKAGE_URI[EXTRA] MODULE FLAGS…
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

# Where Google Cloud mounts the driver's libraries, of which plain images know nothing.
_DRIVER = '/usr/local/nvidia/lib64'


def main() -> None:
    """Everything, up to the trainer's own main."""
    package, module, *flags = sys.argv[1:]
    uri, extra = re.fullmatch(r'(.*?)(\[\w+\])?', package).groups(default='')  # type: ignore[union-attr]  # matches all
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, uri.rpartition('/')[2])
    print(f'fetching {uri}', file=sys.stderr, flush=True)
    fetch(uri, path)
    print('installing it', file=sys.stderr, flush=True)
    install(path, extra, os.path.join(folder, 'code'))
    known = os.environ.get('LD_LIBRARY_PATH')
    os.environ['LD_LIBRARY_PATH'] = f'{known}:{_DRIVER}' if known else _DRIVER
    # The trainer takes this process' place: signals are its own.
    os.execv(sys.executable, [sys.executable, '-m', module, *flags])


def install(path: str, extra: str, folder: str) -> None:
    """The package with all it needs; where that is there already, its code alone, into a folder anybody may write."""
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet']
    if importlib.util.find_spec('tensorflow') is None:
        subprocess.run([*pip, path + extra], check=True)
        return
    subprocess.run([*pip, '--no-deps', '--target', folder, path], check=True)
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [folder, os.environ.get('PYTHONPATH')]))


def fetch(uri: str, path: str) -> None:
    """A gs:// object into a file, as the machine's service account."""
    bucket, _, name = uri.removeprefix('gs://').partition('/')
    host = os.environ.get('STORAGE_EMULATOR_HOST', 'https://storage.googleapis.com')
    url = f'{host}/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe="")}?alt=media'
    asked = urllib.request.Request(url, headers={'Authorization': f'Bearer {token()}'})
    with urllib.request.urlopen(asked, timeout=60) as answer, open(path, 'wb') as written:
        written.write(answer.read())


def token() -> str:
    """What the metadata server of a machine on Google Cloud gives to those that run on it."""
    host = os.environ.get('GCE_METADATA_HOST', 'metadata.google.internal')
    url = f'http://{host}/computeMetadata/v1/instance/service-accounts/default/token'
    asked = urllib.request.Request(url, headers={'Metadata-Flavor': 'Google'})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return str(json.load(answer)['access_token'])


if __name__ == '__main__':
    main()
