"""The API as an OpenAPI document: what /docs shows and generators of clients read."""

import json

from preprocess.settings import Json

Object = dict[str, Json]

_B64: Object = {
    'type': 'object',
    'required': ['b64'],
    'properties': {'b64': {'type': 'string', 'format': 'byte', 'description': 'a picture file, base64'}},
}
_SCORES: Object = {'type': 'array', 'items': {'type': 'number'}, 'description': 'one a class, in the order of labels'}
_SCHEMAS: Object = {
    'Instance': {
        'description': 'A picture; the short form is {"b64": ...} alone.',
        'oneOf': [
            {
                'type': 'object',
                'required': ['image_bytes'],
                'properties': {'key': {'type': 'string'}, 'image_bytes': _B64},
            },
            _B64,
        ],
    },
    'Answer': {
        'type': 'object',
        'required': ['key'],
        'properties': {
            'key': {'type': 'string', 'description': "the request's, or the picture's place in it"},
            'prediction': {'type': 'integer', 'description': 'the class with the highest score'},
            'label': {'type': 'string', 'description': 'its name; `unsure` below the threshold of the server'},
            'labels': {'type': 'array', 'items': {'type': 'string'}, 'description': 'of models with several labels'},
            'scores': _SCORES,
            'top': {
                'type': 'array',
                'description': 'the best classes',
                'items': {
                    'type': 'object',
                    'properties': {'label': {'type': 'string'}, 'score': {'type': 'number'}},
                },
            },
            'error': {'type': 'string', 'description': 'instead of all these: why this picture has no answer'},
            'reason': {'type': 'string'},
        },
    },
    'Error': {
        'type': 'object',
        'required': ['error', 'reason'],
        'properties': {
            'error': {'type': 'string'},
            'reason': {'type': 'string', 'description': 'one of a closed list'},
        },
    },
    'Instances': {
        'type': 'object',
        'properties': {
            'instances': {'type': 'array', 'items': {'$ref': '#/components/schemas/Instance'}},
            'inputs': {'type': 'object', 'description': 'or by columns: {"key": [...], "image_bytes": [{"b64": ...}]}'},
            'signature_name': {'type': 'string', 'enum': ['serving_default']},
        },
    },
    'Predictions': {
        'type': 'object',
        'properties': {'predictions': {'type': 'array', 'items': {'$ref': '#/components/schemas/Answer'}}},
    },
    'Timeline': {
        'type': 'object',
        'properties': {
            'duration': {'type': 'number', 'description': 'seconds'},
            'frames': {'type': 'integer', 'description': 'that were looked at: two a second'},
            'unread': {'type': 'integer', 'description': 'frames that could not be decoded'},
            'seconds': {
                'type': 'array',
                'items': {
                    'type': 'object',
                    'properties': {
                        'start': {'type': 'number'},
                        'stop': {'type': 'number'},
                        'label': {'type': 'string', 'description': 'of the mean scores of its frames'},
                        'score': {'type': 'number'},
                        'top': {'type': 'array', 'items': {'type': 'object'}, 'description': 'the best classes'},
                    },
                },
            },
        },
    },
    'Tensors': {
        'type': 'object',
        'description': 'Inputs: image_bytes (BYTES: base64, or binary behind the JSON) and key.',
        'properties': {'id': {'type': 'string'}, 'inputs': {'type': 'array', 'items': {'type': 'object'}}},
    },
}
_PICTURE: Json = {'schema': {'type': 'string', 'format': 'binary'}}
_FAILURES = {
    '400': 'not a request',
    '413': 'too large, in bytes or pixels',
    '415': 'no picture, or in a format that is not read',
    '422': 'a picture that can not be decoded',
    '503': 'too busy, or not ready; Retry-After says when',
}


def document() -> Object:
    """The whole document."""
    name: Json = {'name': 'name', 'in': 'path', 'required': True, 'schema': {'type': 'string'}}
    about = 'Pictures in, labels and scores out. Behind {name}, /versions/{version} may name the version.'
    return {
        'openapi': '3.1.0',
        'info': {'title': 'Headlight', 'version': '1', 'description': about},
        'paths': {
            '/predict': {'post': _predict()},
            '/video': {'post': _video()},
            '/v1/models/{name}:predict': {
                'parameters': [name],
                'post': _post('TensorFlow Serving, KServe v1, Vertex AI', 'Instances', 'Predictions'),
            },
            '/v1/models': {'get': _get('the name of the model')},
            '/v1/models/{name}': {'parameters': [name], 'get': _get('its state, labels and input size')},
            '/v2/models/{name}/infer': {
                'parameters': [name],
                'post': _post('KServe v2, the Open Inference Protocol', 'Tensors', 'Tensors'),
            },
            '/v2': {'get': _get('what speaks version 2')},
            '/v2/health/live': {'get': _get('the process lives')},
            '/v2/health/ready': {'get': _get('requests are answered')},
            '/v2/models/{name}': {'parameters': [name], 'get': _get('inputs and outputs of the model')},
            '/v2/models/{name}/ready': {'parameters': [name], 'get': _get('the model answers')},
            '/healthz': {'get': _get('the process lives')},
            '/readyz': {'get': _get('requests are answered (else 503)')},
            '/metrics': {'get': _get('counters, as Prometheus reads them')},
        },
        'components': {'schemas': _SCHEMAS},
    }


def text() -> str:
    """The document as JSON."""
    return json.dumps(document(), indent=1)


def _predict() -> Object:
    form: Object = {
        'type': 'object',
        'properties': {'image': {'type': 'array', 'items': {'type': 'string', 'format': 'binary'}}},
    }
    content: Object = {
        'multipart/form-data': {'schema': form},
        'image/*': _PICTURE,
        'application/octet-stream': _PICTURE,
    }
    return {
        'summary': 'a picture by itself, or a form of pictures',
        'description': 'One picture is answered by one object, several by {"predictions": [...]}.',
        'requestBody': {'required': True, 'content': content},
        'responses': _responses('Answer'),
    }


def _video() -> Object:
    return {
        'summary': 'a short video: a label for each of its seconds',
        'requestBody': {'required': True, 'content': {'video/*': _PICTURE, 'application/octet-stream': _PICTURE}},
        'responses': _responses('Timeline'),
    }


def _post(summary: str, request: str, response: str) -> Object:
    body: Object = {'required': True, 'content': {'application/json': {'schema': _reference(request)}}}
    return {'summary': summary, 'requestBody': body, 'responses': _responses(response)}


def _get(summary: str) -> Object:
    return {'summary': summary, 'responses': {'200': {'description': summary}}}


def _responses(schema: str) -> Object:
    failed: Object = {
        status: {'description': why, 'content': {'application/json': {'schema': _reference('Error')}}}
        for status, why in _FAILURES.items()
    }
    answered: Json = {'description': 'answered', 'content': {'application/json': {'schema': _reference(schema)}}}
    return {'200': answered, **failed}


def _reference(schema: str) -> Object:
    return {'$ref': f'#/components/schemas/{schema}'}
