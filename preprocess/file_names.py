"""Any text as a name that every file system can hold, different texts never the same."""

import hashlib
from urllib.parse import quote

_KEPT = " !#$&'()+,;=@[]^{}"
# Of the 255 bytes a name may have, some are for what is written before and behind it.
_MOST_BYTES = 180


def safe(text: str) -> str:
    """The text where it can be, what can't be in a name percent-encoded; a long one is cut and ends in its hash."""
    name = ''.join(character if character.isalnum() else quote(character, safe=_KEPT) for character in text)
    name = '%2E' + name[1:] if name.startswith('.') else name
    name = name[:-1] + '%20' if name.endswith(' ') else name
    encoded = name.encode()
    if len(encoded) <= _MOST_BYTES:
        return name
    return encoded[:_MOST_BYTES].decode(errors='ignore') + '~' + hashlib.sha256(text.encode()).hexdigest()[:12]
