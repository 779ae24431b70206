"""scripts/deploy.sh against a gcloud that remembers what was asked of it."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest

from tests.fakes.vertex import FakeVertex
from tests.scripts.fake_tools import SCRIPTS, Tools

DEPLOY = ('--name', 'flowers', '--region', 'europe-west4', '--model_dir', 'gs://bucket/out of order/model')


@pytest.fixture
def tools(tmp_path) -> Tools:
    return Tools.made(tmp_path)


@pytest.fixture
def deploy(tools) -> 'Callable[..., subprocess.CompletedProcess[str]]':
    return lambda *words, **environment: tools.run('deploy.sh', *(words or DEPLOY), **environment)


def versions(*names: str) -> list[dict[str, object]]:
    """An endpoint where these were deployed one after the other; the last one has the traffic."""
    numbers = [str(place) for place in range(1, len(names) + 1)]
    deployed = [
        {'id': number, 'displayName': name, 'createTime': f'2026-01-0{number}T00:00:00Z'}
        for number, name in zip(numbers, names, strict=True)
    ]
    labels = {f'before-{number}': before for before, number in itertools.pairwise(numbers)}
    name = 'projects/p/locations/r/endpoints/7'
    split = {numbers[-1]: 100}
    return [
        {'name': name, 'displayName': 'flowers', 'deployedModels': deployed, 'trafficSplit': split, 'labels': labels}
    ]


def live(tools: Tools) -> dict[str, object]:
    (endpoint,) = tools.world['endpoints']
    assert endpoint['displayName'] == 'flowers'
    return endpoint


def serving(tools: Tools) -> str:
    """The version that has the traffic."""
    endpoint = live(tools)
    ((number, share),) = endpoint['trafficSplit'].items()
    assert share == 100
    return next(row['displayName'] for row in endpoint['deployedModels'] if row['id'] == number)


def told(ended: 'subprocess.CompletedProcess[str]') -> str:
    """The version a run says it deployed or went back to."""
    assert ended.returncode == 0, ended.stderr
    found = re.fullmatch(r'version=(\S+) endpoint=\S+\n', ended.stdout)
    assert found, ended.stdout
    return found[1]


def three_lines(ended: 'subprocess.CompletedProcess[str]', code: int) -> dict[str, str]:
    assert ended.returncode == code, ended.stderr
    return dict(re.findall(r'^(error|where|do): (.*)$', ended.stderr, flags=re.M))


@pytest.mark.parametrize('script', ['deploy.sh', 'serve_tf_serving.sh'])
def test_every_script_parses_and_may_be_run(script):
    assert subprocess.run(['bash', '-n', SCRIPTS / script], capture_output=True).returncode == 0
    assert (SCRIPTS / script).stat().st_mode & 0o111


def test_a_version_is_checked_alone_before_it_gets_the_traffic(tools, deploy):
    ended = deploy()
    version = told(ended)
    assert re.fullmatch(r'v\d{8}-\d{6}-[0-9a-f]{4}', version)
    steps = [call[3] for call in tools.called('gcloud', 'ai', 'endpoints') if call[3] not in ('list', 'describe')]
    alone = ['create', 'deploy-model', 'predict', 'undeploy-model', 'delete']
    assert steps == [*alone, 'create', 'deploy-model', 'update', 'predict']
    (created, _) = tools.called('gcloud', 'ai', 'endpoints', 'create')
    assert f'--display-name=flowers-check-{version}' in created
    assert serving(tools) == version
    printed = [line for line in ended.stderr.splitlines() if line.startswith('+ gcloud')]
    for call in tools.called('gcloud', 'ai', 'endpoints', 'deploy-model'):
        assert '+ ' + ' '.join(call) in printed, 'what it runs is what it prints'
    (uploaded,) = tools.called('gcloud', 'ai', 'models', 'upload')
    assert '--artifact-uri=gs://bucket/out of order/model' in uploaded
    assert f'--version-aliases={version}' in uploaded


def test_the_second_version_has_another_name_and_the_first_one_stays(tools, deploy):
    tools.change(
        endpoints=versions('v1'), models=[{'name': 'projects/p/locations/r/models/5', 'displayName': 'flowers'}]
    )
    second = told(deploy())
    assert serving(tools) == second != 'v1'
    assert [row['displayName'] for row in live(tools)['deployedModels']] == ['v1', second]
    deployed = tools.called('gcloud', 'ai', 'endpoints', 'deploy-model')[-1]
    assert not [word for word in deployed if word.startswith('--traffic-split')]
    (uploaded,) = tools.called('gcloud', 'ai', 'models', 'upload')
    assert '--parent-model=projects/p/locations/r/models/5' in uploaded


def test_a_wrong_answer_leaves_the_traffic_and_removes_the_check(tools, deploy):
    tools.change(endpoints=versions('v1'), label='a stone')
    said = three_lines(deploy(*DEPLOY, '--label', 'rose'), 5)
    assert 'answers the sample with 1 a stone, and not with rose' in said['error']
    assert live(tools) == versions('v1')[0]
    assert tools.called('gcloud', 'ai', 'endpoints', 'update') == []


def test_a_right_number_is_right_whatever_the_server_calls_it(tools, deploy):
    tools.change(label='rose|daisy')
    version = told(deploy())
    assert serving(tools) == version
    (asked,) = [call for call in tools.called('python', '-m', 'predict.local')]
    assert asked[3:5] == ['--model_dir', 'gs://bucket/out of order/model']


def test_what_does_not_answer_in_time_gets_no_traffic(tools, deploy):
    tools.change(silent=1000)
    said = three_lines(deploy(*DEPLOY, '--wait_secs', '00'), 5)
    assert 'did not answer the sample in 0 s: ERROR' in said['error'] and '503' in said['error']
    assert tools.world['endpoints'] == []


def test_it_asks_until_there_is_an_answer(tools, deploy):
    tools.change(silent=2)
    ended = deploy()
    assert told(ended) == serving(tools)
    assert ended.stderr.count('does not answer yet') == 2
    assert len(tools.called('gcloud', 'ai', 'endpoints', 'predict')) == 4


def test_a_version_that_fails_only_when_it_is_live_loses_the_traffic_again(tools, deploy):
    tools.change(endpoints=versions('v1'), wrong_live=True)
    said = three_lines(deploy(*DEPLOY, '--label', 'rose'), 5)
    assert serving(tools) == 'v1'
    assert 'the traffic is back where it was' in said['do']


def test_a_first_version_that_fails_only_when_it_is_live_is_told_to_have_the_traffic(tools, deploy):
    tools.change(wrong_live=True)
    said = three_lines(deploy(*DEPLOY, '--label', 'rose'), 5)
    assert 'it has the traffic, because no other version is there' in said['do']


def test_what_was_remembered_for_removed_versions_is_forgotten(tools, deploy):
    endpoints = versions('v1', 'v2')
    endpoints[0]['labels'] |= {'before-90': '2', 'before-91': '90', 'team': 'plants', 'before-noon': 'x'}
    tools.change(endpoints=endpoints)
    told(deploy())
    (updated,) = tools.called('gcloud', 'ai', 'endpoints', 'update')
    assert '--remove-labels=before-90,before-91' in updated
    labels = live(tools)['labels']
    assert {'before-2', 'team', 'before-noon'} < set(labels) and not {'before-90', 'before-91'} & set(labels)


def test_going_back_returns_the_traffic_step_by_step_and_keeps_all_versions(tools, deploy):
    tools.change(endpoints=versions('v1', 'v2', 'v3'))
    back = (*DEPLOY[:4], '--rollback')
    assert told(deploy(*back)) == 'v2' == serving(tools)
    assert told(deploy(*back)) == 'v1' == serving(tools)
    said = three_lines(deploy(*back), 3)
    assert said['error'] == 'there is no version to go back to'
    assert told(deploy(*back, '--version', 'v3')) == 'v3' == serving(tools)
    assert [row['displayName'] for row in live(tools)['deployedModels']] == ['v1', 'v2', 'v3']


def test_one_goes_back_to_what_had_the_traffic_and_not_to_what_was_gone_back_from(tools, deploy):
    tools.change(endpoints=versions('v1', 'v2', 'v3'))
    back = (*DEPLOY[:4], '--rollback')
    assert told(deploy(*back)) == 'v2'
    fourth = told(deploy())
    assert serving(tools) == fourth
    assert told(deploy(*back)) == 'v2' == serving(tools)


def test_the_list_shows_who_has_the_traffic_and_whom_it_took_over_from(tools, deploy):
    tools.change(endpoints=versions('v1', 'v2'))
    header, newest, oldest = deploy(*DEPLOY[:4], '--list').stdout.splitlines()
    assert header.split()[:2] == ['VERSION', 'TRAFFIC']
    assert newest.split() == ['v2', '100', '%', '2', '2026-01-02T00:00:00Z', 'v1']
    assert oldest.split() == ['v1', '0', '%', '1', '2026-01-01T00:00:00Z']


def test_a_version_is_removed_when_told_and_never_the_one_with_the_traffic(tools, deploy):
    tools.change(endpoints=versions('v1', 'v2'))
    remove = (*DEPLOY[:4], '--remove', '--version')
    assert 'has the traffic' in three_lines(deploy(*remove, 'v2'), 3)['error']
    assert deploy(*remove, 'v1').returncode == 0
    assert [row['displayName'] for row in live(tools)['deployedModels']] == ['v2']
    assert 'was removed' in deploy(*DEPLOY[:4], '--rollback').stderr
    assert 'there is no version v0' in three_lines(deploy(*remove, 'v0'), 3)['error']


def test_a_dry_run_prints_every_command_and_calls_nothing(tools, deploy):
    ended = deploy(*DEPLOY, '--dry_run')
    assert ended.returncode == 0, ended.stderr
    assert tools.calls == [] and ended.stdout == ''
    printed = [line.split()[1:4] for line in ended.stderr.splitlines() if line.startswith('+ gcloud ai')]
    for step in ('create', 'deploy-model', 'predict', 'update'):
        assert ['gcloud', 'ai', 'endpoints'] in printed and f'endpoints {step}' in ended.stderr
    assert 'out\\ of\\ order' in ended.stderr


@pytest.mark.parametrize('legacy', [(), ('--legacy',)], ids=['vertex', 'legacy'])
@pytest.mark.parametrize(
    'action', [('--list',), ('--rollback',), ('--remove', '--version', 'v1')], ids=lambda words: words[0]
)
def test_everything_can_be_tried_dry(tools, deploy, action, legacy):
    ended = deploy(*DEPLOY[:4], *action, *legacy, '--dry_run')
    assert (ended.returncode, ended.stdout) == (0, '')
    assert '+ gcloud ai' in ended.stderr and tools.calls == []


def test_a_gcloud_that_fails_ends_the_run_in_three_lines(tools, deploy):
    tools.change(fails=['ai endpoints deploy-model'])
    said = three_lines(deploy(), 5)
    assert 'gcloud ended with exit code 1' in said['error']
    assert tools.world['endpoints'] == [], 'the endpoint for the check is gone'


def test_a_local_model_is_copied_to_where_the_cloud_reads(tools, deploy, tmp_path):
    model = tmp_path / 'my model'
    model.mkdir()
    (model / 'saved_model.pb').write_bytes(b'x')
    words = (*DEPLOY[:4], '--model_dir', str(model))
    assert '--staging' in three_lines(deploy(*words), 2)['error']
    version = told(deploy(*words, '--staging=gs://bucket/st a/'))
    (copied,) = tools.called('gcloud', 'storage', 'rsync')
    assert copied[3:] == ['--recursive', str(model), f'gs://bucket/st a/flowers/{version}']
    assert 'no SavedModel' in three_lines(deploy(*DEPLOY[:4], '--model_dir', str(tmp_path)), 3)['error']


def test_the_old_spelling_checks_the_version_by_its_name_and_then_makes_it_the_default(tools, deploy):
    words = (*DEPLOY, '--legacy', '--project', 'p')
    first, second = told(deploy(*words)), told(deploy(*words))
    assert re.fullmatch(r'v\d{8}_\d{6}_[0-9a-f]{4}', second)
    steps = [call[2:4] for call in tools.called('gcloud', 'ai-platform') if 'list' not in call]
    once = [['versions', 'create'], ['predict', '--model=flowers'], ['versions', 'set-default']]
    assert steps == [['models', 'create'], *once, *once, ['versions', 'update']]
    asked = tools.called('gcloud', 'ai-platform', 'predict')[1]
    assert f'--version={second}' in asked and '--project=p' in asked
    shown = deploy(*DEPLOY[:4], '--legacy', '--list').stdout.splitlines()
    assert shown[1].split()[:3] == [second, '100', '%'] and shown[1].split()[-1] == first
    assert told(deploy(*DEPLOY[:4], '--legacy', '--rollback')) == first
    assert [row['isDefault'] for row in tools.world['versions']] == [True, False]
    assert 'no version to go back' in deploy(*DEPLOY[:4], '--legacy', '--rollback').stderr
    assert deploy(*DEPLOY[:4], '--legacy', '--remove', '--version', second).returncode == 0
    assert len(tools.world['versions']) == 1


def test_the_old_spelling_does_not_switch_to_a_wrong_answer(tools, deploy):
    tools.change(label='a stone', versions=[{'name': 'projects/p/models/flowers/versions/v1', 'isDefault': True}])
    assert deploy(*DEPLOY, '--legacy', '--label', 'rose').returncode == 5
    assert [row['isDefault'] for row in tools.world['versions']] == [True, False]


@pytest.mark.parametrize(
    ('words', 'problem'),
    [
        ((), '--name is missing'),
        (('--name', 'flowers'), '--region is missing'),
        (('--name', 'flowers', '--region', 'r'), '--model_dir is missing'),
        (('--name', 'a b', '--region', 'r', '--list'), 'is no name'),
        (('--name', 'a-b', '--region', 'r', '--list', '--legacy'), 'AI Platform does not take'),
        (('--name', 'flowers', '--region', 'r', '--remove'), '--remove needs --version'),
        (('--name', 'flowers', '--region', 'r', '--list', '--rollback'), 'two things'),
        (('--name',), 'needs a value'),
        ((*DEPLOY, '--wait_secs', 'soon'), 'number of seconds'),
        ((*DEPLOY, '--version', 'v1'), 'made anew'),
        ((*DEPLOY, '--verbose'), 'unknown argument --verbose'),
    ],
)
def test_what_is_missing_or_unknown_is_a_usage_error(tools, words, problem):
    ended = tools.run('deploy.sh', *words)
    assert problem in three_lines(ended, 2)['error']
    assert tools.calls == []


def test_help_is_the_usage_and_hyphens_are_taken_too(tools, deploy):
    shown = deploy('--help')
    assert (shown.returncode, shown.stderr) == (0, '') and '--rollback' in shown.stdout
    assert deploy('--name=flowers', '--region=r', '--model-dir=gs://b/m-d', '--dry-run').returncode == 0


def test_a_missing_sample_or_endpoint_is_an_input_error(tools, deploy):
    assert 'no such picture' in three_lines(deploy(*DEPLOY, '--sample_image', 'no.jpg'), 3)['error']
    assert 'there is no endpoint flowers' in three_lines(deploy(*DEPLOY[:4], '--rollback'), 3)['error']


def test_without_gcloud_it_says_so(tools, deploy):
    (tools.folder / 'bin' / 'gcloud').unlink()
    for tool in ('bash', 'dirname', 'cat'):
        found = Path('/usr/bin', tool) if Path('/usr/bin', tool).exists() else Path('/bin', tool)
        (tools.folder / 'bin' / tool).symlink_to(found)
    ended = subprocess.run(
        ['/bin/bash', str(SCRIPTS / 'deploy.sh'), *DEPLOY],
        capture_output=True,
        text=True,
        env={'PATH': str(tools.folder / 'bin'), 'PYTHON': 'python'},
    )
    assert three_lines(ended, 3)['error'] == 'gcloud is not installed'


@pytest.mark.slow
@pytest.mark.skipif(which('gcloud') is None, reason='gcloud is not installed')
def test_the_real_gcloud_does_all_of_it_against_a_vertex_of_our_own(tmp_path):
    (tmp_path / 'token').write_text('fake')
    with FakeVertex() as vertex:
        vertex.predict = lambda instance: {
            'key': instance['key'],
            'prediction': 1,
            'label': 'rose',
            'scores': [0.1, 0.9],
        }
        settings = {
            'API_ENDPOINT_OVERRIDES_AIPLATFORM': f'{vertex.endpoint}/',
            'AUTH_ACCESS_TOKEN_FILE': str(tmp_path / 'token'),
            'CONFIG': str(tmp_path),
            'CORE_PROJECT': 'a-project',
            'CORE_DISABLE_PROMPTS': '1',
            'CORE_DISABLE_USAGE_REPORTING': '1',
        }
        environment = {f'CLOUDSDK_{name}': value for name, value in settings.items()}

        def deploy(*words: str) -> 'subprocess.CompletedProcess[str]':
            return subprocess.run(
                [str(SCRIPTS / 'deploy.sh'), *DEPLOY[:4], *words],
                capture_output=True,
                text=True,
                env={**os.environ, **environment, 'PYTHON': sys.executable, 'DEPLOY_POLL_SECS': '1'},
            )

        versions = [told(deploy(*DEPLOY[4:], '--label', 'rose')) for _ in range(2)]
        (endpoint,) = [one for one in vertex.endpoints.values() if one['displayName'] == 'flowers']
        assert len(vertex.endpoints) == 1, 'the endpoints of the checks are gone'
        assert [one['displayName'] for one in endpoint['deployedModels']] == versions
        assert endpoint['trafficSplit'] == {endpoint['deployedModels'][1]['id']: 100}
        assert told(deploy('--rollback')) == versions[0]
        assert endpoint['trafficSplit'] == {endpoint['deployedModels'][0]['id']: 100}
        assert deploy(*DEPLOY[4:], '--label', 'daisy').returncode == 5
        assert deploy('--remove', '--version', versions[1]).returncode == 0
        assert len(deploy('--list').stdout.splitlines()) == 2
