"""gcloud, docker and curl as the scripts call them: one file under three names, which starts as fast as it can.

Every call is a line of FAKE_FOLDER/calls; what the cloud holds is the JSON of FAKE_FOLDER/world.
"""

import json
import os
import sys


def _value(words, flag, default=''):
    return next((word.partition('=')[2] for word in words if word.startswith(f'{flag}=')), default)


def _find(rows, name):
    found = [row for row in rows if row['name'] == name]
    if not found:
        sys.exit(f'ERROR: (gcloud) NOT_FOUND: {name}')
    return found[0]


def _answer(world, **more):
    """The sample's prediction; a world may be silent for some calls first."""
    if world['silent'] > 0:
        world['silent'] -= 1
        sys.exit('ERROR: (gcloud.ai.endpoints.predict) 503: not ready')
    return {**more, 'predictions': [{'key': '0', 'prediction': 1, 'label': world['label'], 'scores': [0.1, 0.9]}]}


def _endpoint_create(world, words):
    name = f'projects/p/locations/r/endpoints/{len(world["endpoints"]) + 100}'
    world['endpoints'].append({'name': name, 'displayName': _value(words, '--display-name')})


def _endpoint_delete(world, words):
    world['endpoints'].remove(_find(world['endpoints'], words[3]))


def _deploy(world, words):
    endpoint = _find(world['endpoints'], words[3])
    number = _value(words, '--deployed-model-id')
    row = {
        'id': number,
        'displayName': _value(words, '--display-name'),
        'createTime': f'2026-01-01T00:00:{len(endpoint.get("deployedModels", [])):02}Z',
    }
    endpoint.setdefault('deployedModels', []).append(row)
    if split := _value(words, '--traffic-split'):
        endpoint['trafficSplit'] = {number: int(split.removeprefix('0='))}


def _undeploy(world, words):
    endpoint = _find(world['endpoints'], words[3])
    gone = _value(words, '--deployed-model-id')
    endpoint['deployedModels'] = [row for row in endpoint['deployedModels'] if row['id'] != gone]


def _endpoint_update(world, words):
    endpoint = _find(world['endpoints'], words[3])
    number, _, share = _value(words, '--traffic-split').partition('=')
    endpoint['trafficSplit'] = {number: int(share)}
    if label := _value(words, '--update-labels'):
        key, _, value = label.partition('=')
        endpoint.setdefault('labels', {})[key] = value
    for key in filter(None, _value(words, '--remove-labels').split(',')):
        del endpoint['labels'][key]


def _endpoint_predict(world, words):
    endpoint = _find(world['endpoints'], words[3])
    (number,) = endpoint['trafficSplit']
    if world.get('wrong_live') and 'check' not in endpoint['displayName']:
        return _answer({**world, 'label': 'a stone'}, deployedModelId=number)
    return _answer(world, deployedModelId=number)


def _upload(world, words):
    name = f'projects/p/locations/r/models/{_value(words, "--display-name")}'
    world['models'].append({'name': name, 'displayName': _value(words, '--display-name')})
    return {'model': name, 'modelVersionId': '7'}


def _version_create(world, words):
    name = f'projects/p/models/{_value(words, "--model")}/versions/{words[3]}'
    made = f'2026-01-01T00:00:{len(world["versions"]):02}Z'
    row = {'name': name, 'state': 'READY', 'createTime': made, 'isDefault': not world['versions']}
    world['versions'].append(row)


def _version_default(world, words):
    for row in world['versions']:
        row['isDefault'] = row['name'].endswith(f'/{words[3]}')


def _version_update(world, words):
    row = next(row for row in world['versions'] if row['name'].endswith(f'/{words[3]}'))
    key, _, value = _value(words, '--update-labels').partition('=')
    row['labels'] = {key: value}


def _version_delete(world, words):
    world['versions'] = [row for row in world['versions'] if not row['name'].endswith(f'/{words[3]}')]


def _old_model_create(world, words):
    world['models'].append({'name': f'projects/p/models/{words[3]}'})


_GCLOUD = {
    ('storage', 'rsync'): lambda world, words: None,
    ('ai', 'endpoints', 'list'): lambda world, words: world['endpoints'],
    ('ai', 'endpoints', 'describe'): lambda world, words: _find(world['endpoints'], words[3]),
    ('ai', 'endpoints', 'create'): _endpoint_create,
    ('ai', 'endpoints', 'delete'): _endpoint_delete,
    ('ai', 'endpoints', 'deploy-model'): _deploy,
    ('ai', 'endpoints', 'undeploy-model'): _undeploy,
    ('ai', 'endpoints', 'update'): _endpoint_update,
    ('ai', 'endpoints', 'predict'): _endpoint_predict,
    ('ai', 'models', 'list'): lambda world, words: world['models'][:1],
    ('ai', 'models', 'upload'): _upload,
    ('ai-platform', 'models', 'list'): lambda world, words: world['models'],
    ('ai-platform', 'models', 'create'): _old_model_create,
    ('ai-platform', 'versions', 'list'): lambda world, words: world['versions'],
    ('ai-platform', 'versions', 'create'): _version_create,
    ('ai-platform', 'versions', 'set-default'): _version_default,
    ('ai-platform', 'versions', 'update'): _version_update,
    ('ai-platform', 'versions', 'delete'): _version_delete,
    ('ai-platform', 'predict'): lambda world, words: _answer(world),
}


def gcloud(world, words):
    """What the real one does with the commands the scripts use."""
    if any(' '.join(words).startswith(failing) for failing in world['fails']):
        sys.exit('ERROR: (gcloud) PERMISSION_DENIED')
    does = next(does for name, does in _GCLOUD.items() if tuple(words[: len(name)]) == name)
    said = does(world, words)
    if '--format=json' in words:
        print(json.dumps(said))


def docker(world, words):
    """A container that runs until it is stopped, or has ended by itself where the world says so."""
    if words[0] == 'run':
        print('c0ffee')
    if words[0] == 'inspect':
        print('false' if world.get('container_ended') else 'true')
    if words[0] == 'logs' and world.get('container_ended'):
        print('no versions of servable found')


def curl(world, words):
    """TensorFlow Serving's answers."""
    print(json.dumps(_answer(world)))


def main():
    """Be the tool this file is called as."""
    folder, name, words = os.environ['FAKE_FOLDER'], os.path.basename(sys.argv[0]), sys.argv[1:]
    with open(f'{folder}/calls', 'a') as calls:
        calls.write(json.dumps([name, *words]) + '\n')
    with open(f'{folder}/world') as file:
        world = json.load(file)
    try:
        {'gcloud': gcloud, 'docker': docker, 'curl': curl}[name](world, words)
    finally:
        with open(f'{folder}/world', 'w') as file:
            json.dump(world, file)


if __name__ == '__main__':
    main()
