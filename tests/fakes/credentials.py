"""A service account's key file for tests: of its own key, with a fake that gives out tokens."""

import json
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def write(folder: Path, *, token_url: str, project: str = 'a-project') -> Path:
    """The file, for GOOGLE_APPLICATION_CREDENTIALS; `token_url` is a fake's url and `/token`."""
    path = folder / 'service_account.json'
    said = {
        'type': 'service_account',
        'project_id': project,
        'private_key_id': 'a-key',
        'private_key': _key(),
        'client_email': f'somebody@{project}.iam.gserviceaccount.com',
        'client_id': '1',
        'token_uri': token_url,
    }
    path.write_text(json.dumps(said))
    return path


@cache
def _key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
