"""The page in a real browser: pictures dropped, pasted and chosen, a small screen, hostile names and labels."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import footage
from tests.models import COLOURS, noise_bytes, picture_bytes, write_tiny
from tests.predict import chromium, servers
from tests.predict.chromium import Page

pytestmark = pytest.mark.skipif(chromium.path() is None, reason='no Chromium is installed')

# Each would set `ran`, or open a dialog, if any of it were taken for markup or script.
PAYLOADS = (
    '<script>window.ran=1</script>',
    '<img src=x onerror=window.ran=1>',
    '"><svg onload=window.ran=1>',
    "'><iframe srcdoc='<script>parent.ran=1</script>'>",
    'javascript:window.ran=1',
    '<a href="javascript:alert(1)" autofocus onfocus=alert(1)>x</a>',
    '</template><script>alert(1)</script>',
    '<style onload=alert(1)>*{display:none}</style>',
    '{{constructor.constructor("alert(1)")()}}${alert(1)}',
    '<details open ontoggle=alert(1)>&lt;script&gt;',
)


@pytest.fixture(scope='module')
def server(tiny_model: str) -> Iterator[servers.Running]:
    """A server of colours."""
    with servers.serving(model_dir=tiny_model, decoders=2) as running:
        yield running


@pytest.fixture(scope='module')
def page() -> Iterator[Page]:
    """A browser for all tests here."""
    with chromium.page() as opened:
        yield opened


def opened(page: Page, server: servers.Running, **device) -> Page:
    """The page, with the model's labels on it."""
    page.events.clear()
    page.open(server.url, **device)
    page.wait('document.querySelector("#model").textContent.includes("labels")')
    return page


def answered(page: Page, count: int) -> list[dict]:
    """What the cards say, when so many are done."""
    page.wait(f'document.querySelectorAll(".answered, .refused").length === {count}')
    text = '(card, selector) => card.querySelector(selector).textContent'
    return page.run(
        f"""[...document.querySelectorAll('.answer')].map((card) => {{
            const text = {text};
            return {{
              name: text(card, '.name'),
              label: text(card, '.label'),
              why: text(card, '.why'),
              scores: [...card.querySelectorAll('.score dt')].map((one) => one.textContent),
              bars: [...card.querySelectorAll('.bar i')].length,
              image: card.querySelector('img').naturalWidth,
            }};
          }})"""
    )


def hidden_scripts(page: Page) -> object:
    """What a script that must not run would have left."""
    return page.run('window.ran')


def violations(page: Page) -> list[str]:
    """What the browser had to complain of."""
    entries = (event['params']['entry'] for event in page.events if event['method'] == 'Log.entryAdded')
    texts = [entry['text'] for entry in entries]
    return [text for text in texts if 'status of 4' not in text]


def test_of_three_dropped_pictures_two_are_labelled_and_the_broken_one_says_why(page, server, coloured):
    (coloured / 'broken.png').write_bytes(noise_bytes(1, form='PNG')[:200])
    opened(page, server)
    page.drop([coloured / name for name in ('red.jpg', 'broken.png', 'blue.jpg')], '#drop')
    red, broken, blue = answered(page, 3)
    assert (red['name'], red['label'], red['scores'][0]) == ('red.jpg', 'red', 'red')
    assert (blue['label'], blue['bars'], blue['image']) == ('blue', 3, 40)
    assert (broken['name'], broken['label'], broken['scores']) == ('broken.png', 'truncated', [])
    assert 'ends before its data does' in broken['why']
    assert page.run('document.querySelector("#tally").textContent') == '3 pictures, 1 refused'
    assert violations(page) == []


def test_a_picture_is_pasted(page, server):
    opened(page, server)
    numbers = list(picture_bytes('green', form='PNG'))
    page.run(
        f"""(() => {{
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array({json.dumps(numbers)})], 'image.png', {{type: 'image/png'}}));
            document.dispatchEvent(new ClipboardEvent('paste', {{clipboardData: data, bubbles: true}}));
          }})()"""
    )
    (card,) = answered(page, 1)
    assert (card['label'], card['image']) == ('green', 40)


def test_on_a_phone_pictures_are_chosen_or_taken_and_nothing_is_cut_off(page, server, coloured, tmp_path):
    opened(page, server, width=375, height=812, mobile=True)
    page.choose([coloured / 'red.jpg', coloured / 'green.jpg'], '#files')
    assert [card['label'] for card in answered(page, 2)] == ['red', 'green']
    (coloured / 'tall.jpg').write_bytes(picture_bytes('blue', size=(60, 240)))
    page.choose([coloured / 'tall.jpg'], '#camera')
    assert answered(page, 3)[0]['label'] == 'blue'
    sides = page.run('[...document.querySelectorAll("figure")].map((one) => one.offsetHeight / one.offsetWidth)')
    assert np.allclose(sides, 3 / 4, atol=0.01), 'a tall picture is as high as the others'
    assert page.run('document.querySelector("#camera").getAttribute("capture")') == 'environment'
    assert page.run('getComputedStyle(document.querySelector("#camera-label")).display') != 'none'
    assert page.run('document.documentElement.scrollWidth') <= 375
    page.screenshot(tmp_path / 'phone.png')
    assert np.asarray(Image.open(tmp_path / 'phone.png')).std() > 10


def test_a_file_too_large_for_the_server_is_not_sent(page, coloured):
    (coloured / 'large.png').write_bytes(bytes(2_000_000))
    with servers.serving(servers.FakeAnswerer(), max_request_mb=1) as small:
        opened(page, small)
        page.drop([coloured / 'large.png'], '#drop')
        (card,) = answered(page, 1)
    assert (card['label'], card['why']) == ('too many bytes', 'larger than the 1 MB this server takes')
    assert f'{small.url}/predict' not in page.requests()


def test_a_file_of_json_is_no_picture(page, server, tmp_path):
    request = {'instances': [{'b64': base64.b64encode(picture_bytes('red')).decode()}]}
    (tmp_path / 'request.json').write_text(json.dumps(request))
    opened(page, server)
    page.drop([tmp_path / 'request.json'], '#drop')
    (card,) = answered(page, 1)
    assert (card['label'], card['why']) == ('not an image', 'it is no picture')


def test_a_bar_is_as_long_as_its_score(page, server, coloured):
    opened(page, server)
    (coloured / 'noise.png').write_bytes(noise_bytes(3, form='PNG'))
    page.drop([coloured / 'noise.png'], '#drop')
    answered(page, 1)
    page.wait('[...document.querySelectorAll(".bar i")].every((bar) => bar.style.width)')
    widths = page.run('[...document.querySelectorAll(".bar i")].map((bar) => bar.style.width)')
    texts = page.run('[...document.querySelectorAll(".score dd")].map((text) => text.textContent)')
    top = server.post('/predict', noise_bytes(3, form='PNG')).json['top']
    assert texts == [f'{100 * one["score"]:.1f} %' for one in top]
    shares = [float(width.rstrip('%')) / 100 for width in widths]
    assert np.allclose(shares, [one['score'] for one in top], rtol=0, atol=1e-5)


def test_nothing_is_asked_for_but_of_this_server(page, server, coloured):
    opened(page, server)
    page.drop([coloured / 'red.jpg'], '#drop')
    answered(page, 1)
    page.open(f'{server.url}/docs')
    page.wait('document.querySelectorAll("#paths section").length >= 13')
    asked = page.requests()
    assert [url for url in asked if not url.startswith((server.url, f'blob:{server.url}'))] == []
    assert f'{server.url}/predict' in asked and f'{server.url}/openapi.json' in asked


def test_names_of_files_run_no_script(page, server):
    opened(page, server)
    numbers = list(picture_bytes('red', form='PNG'))
    page.run(
        f"""(() => {{
            const data = new DataTransfer();
            const picture = new Uint8Array({json.dumps(numbers)});
            for (const name of {json.dumps(PAYLOADS)}) {{
              data.items.add(new File([picture], name, {{type: 'image/png'}}));
              data.items.add(new File(['text'], name, {{type: 'image/png'}}));
            }}
            document.dispatchEvent(new ClipboardEvent('paste', {{clipboardData: data, bubbles: true}}));
          }})()"""
    )
    cards = answered(page, 2 * len(PAYLOADS))
    assert [card['name'] for card in cards] == [name for name in PAYLOADS for _ in range(2)]
    assert hidden_scripts(page) is None
    assert page.run('document.scripts.length') == 1


def test_labels_run_no_script(page, tmp_path: Path):
    labels = tuple(payload.replace('\n', ' ') for payload in PAYLOADS)
    model = write_tiny(tmp_path / 'model', labels=labels)
    with servers.serving(model_dir=model) as server:
        opened(page, server)
        (tmp_path / 'a.png').write_bytes(picture_bytes('red', form='PNG'))
        page.drop([tmp_path / 'a.png'], '#drop')
        (card,) = answered(page, 1)
        assert card['label'] in labels
        page.run('document.querySelector(".more").click()')
        (card,) = answered(page, 1)
        assert sorted(card['scores']) == sorted(labels)
    assert hidden_scripts(page) is None
    assert page.run('document.scripts.length') == 1
    assert violations(page) == []


def test_a_script_smuggled_in_would_not_run_either(page, server):
    opened(page, server)
    page.run(
        """(() => {
            const holder = document.createElement('div');
            holder.innerHTML = '<img src=x onerror="window.ran = 1">';
            document.body.append(holder);
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            document.body.append(script);
          })()"""
    )
    assert hidden_scripts(page) is None
    assert any('Content Security Policy' in text for text in violations(page))


def test_a_busy_server_is_asked_again_until_it_answers(page, tiny_model, coloured):
    model = servers.FakeAnswerer()
    with servers.serving(model, batch_size=1, queue=1) as server:
        opened(page, server)
        model.gate.clear()
        page.drop([coloured / 'red.jpg', coloured / 'green.jpg'], '#drop')
        servers.until(lambda: 'status="503"' in server.get('/metrics').body.decode())
        model.gate.set()
        assert [card['label'] for card in answered(page, 2)] == ['dark', 'dark']


def test_a_short_video_gets_its_timeline(page, server, tmp_path):
    frames = [np.full((48, 64, 3), COLOURS[name], np.uint8) for name in ('red', 'blue') for _ in range(20)]
    style = footage.Style('libvpx-vp9', b_frames=0, size=(64, 48))
    footage.write(tmp_path / 'a.webm', frames, times=10, style=style)
    opened(page, server)
    page.drop([tmp_path / 'a.webm'], '#drop')
    (card,) = answered(page, 1)
    assert (card['name'], card['label'], card['scores'][0]) == ('a.webm', '0:00 red', 'red')
    told = page.run('[...document.querySelectorAll(".timeline button")].map((one) => one.title)')
    assert [' '.join(text.split()[:2]) for text in told] == ['0:00 red', '0:01 red', '0:02 blue', '0:03 blue']
    page.wait('document.querySelector("video").readyState > 0')
    page.run('document.querySelectorAll(".timeline button")[3].click()')
    assert page.run('document.querySelector(".label").textContent') == '0:03 blue'
    page.wait('document.querySelector("video").currentTime === 3')
    assert page.run('document.querySelector("#tally").textContent') == '1 file'
    assert violations(page) == []


def test_a_video_that_is_none_is_refused_with_its_reason(page, server, tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    opened(page, server)
    page.drop([tmp_path / 'a.mp4'], '#drop')
    (card,) = answered(page, 1)
    assert (card['label'], card['why'][:15]) == ('not a video', 'it begins with ')
