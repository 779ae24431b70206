"""The report: one file, complete, true to the figures, and deaf to whatever labels and file names hold."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from tests.trainer.findings import findings
from tests.trainer.pages import Page
from trainer import pages, report
from trainer.findings import Findings
from trainer.mistakes import Mistakes

PAYLOADS = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '</style><script>alert(1)</script>',
    '<svg/onload=alert(1)>',
    '{{ 7 * 7 }}',
    '{% include "x" %}',
    'javascript:alert(1)',
    '&lt;b&gt;',
    '--><iframe src=//x>',
]


@pytest.fixture(scope='module')
def found() -> Findings:
    return findings()


@pytest.fixture(scope='module')
def page(found: Findings) -> Page:
    return Page(report.render(found))


def hostile(payload: str) -> Page:
    labels = (f'{payload} a', f'{payload} b', 'c')
    return Page(report.render(findings(labels, folder=f'/{payload}/', text=payload)))


def test_the_summary_says_accuracy_with_its_interval_beside_simpler_answers(page: Page) -> None:
    assert '93.3 % of 60 pictures labelled right' in page.text
    assert 'it labels 56 right: accuracy 93.3 %, between 86.7 % and 98.3 % with 95 % confidence' in page.text
    assert 'Always giving the most common label is right for 33.3 %' in page.text
    assert 'logistic regression on the same vectors for' in page.text
    assert (
        'On the 50 pictures that the model before it was evaluated on as well, accuracy was 80.0 % and is 94.0 % now'
        in page.text
    )
    assert 'On the test set, scored once, accuracy is 93.3 %.' in page.text


def test_every_section_is_there_under_its_heading_and_in_the_list_of_contents(page: Page) -> None:
    slugs = [attributes['id'] for tag, attributes in page.elements if tag == 'section']
    assert slugs == [
        'classes',
        'confusion',
        'thresholds',
        'mistakes',
        'test',
        'data',
        'rejects',
        'leakage',
        'training',
        'settings',
    ]
    linked = [attributes['href'] for tag, attributes in page.elements if tag == 'a']
    assert linked == [f'#{slug}' for slug in slugs]


def test_rows_rejects_and_twins_are_told(page: Page) -> None:
    assert 'train: 7 of 70 rows' in page.text
    assert '/p/rows.csv:17 so it is' in page.text
    assert 'There is no such file or object.' in page.text
    assert '/p/eval3.jpg' in page.text  # its vector is also in the training set


def test_rejected_frames_are_told_with_their_reasons(page: Page) -> None:
    assert 'Rejected rows and frames' in page.text
    told = page.text.replace(' ', '')
    assert 'eval:12of72framesReasonFramesExamplescorruptThepicturecannotbedecoded.12/p/rows.csv:17soitis' in told
    assert 'WhereeveryframewentSetFramesaskedforEmbeddedRejectedeval726012' in told


def test_a_mistake_without_its_picture_says_why(page: Page) -> None:
    assert 'The picture cannot be read: No such file or directory' in page.text
    assert 'cat, taken for dog (90.0 %) eval3.jpg' in page.text


def test_what_is_not_known_has_no_section(found: Findings) -> None:
    less = replace(
        found,
        evaluation=replace(found.evaluation, test=None, leakage=None, before_and_now=None, notices=()),
        accounts=(replace(found.accounts[1], frames=None),),
        mistakes=Mistakes(0, (), ()),
        curves=(),
        settings={},
    )
    page = Page(report.render(less))

    slugs = [attributes['id'] for tag, attributes in page.elements if tag == 'section']
    assert slugs == ['classes', 'confusion', 'thresholds', 'data']
    assert 'Before you trust' not in page.text


def test_the_page_asks_for_nothing_from_outside(page: Page) -> None:
    for name, value in page.attributes():
        if name in ('src', 'href', 'data', 'srcset', 'action', 'poster'):
            assert (value or '').startswith(('data:image/', '#')), value
    assert {tag for tag, _ in page.elements}.isdisjoint({'link', 'iframe', 'object', 'embed', 'base', 'form', 'script'})


def test_the_policy_allows_exactly_the_style_sheet_in_the_page(found: Findings) -> None:
    text = report.render(found)
    (style,) = re.findall(r'<style>(.*?)</style>', text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    policies = [a['content'] for _, a in Page(text).elements if a.get('http-equiv') == 'Content-Security-Policy']

    assert policies == [
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]
    assert '@import' not in style and 'url(' not in style


@pytest.mark.parametrize('payload', PAYLOADS)
def test_labels_file_names_and_messages_are_text_whatever_they_hold(page: Page, payload: str) -> None:
    attacked = hostile(payload)

    # The same elements as in the harmless page: nothing of the payload became markup.
    assert [tag for tag, _ in attacked.elements] == [tag for tag, _ in page.elements]
    assert attacked.open == []
    assert all(not name.startswith('on') and name != 'style' for name, _ in attacked.attributes())
    assert f'{payload} a' in attacked.text
    assert f'Mind this: {payload}.' in attacked.text
    assert f'/{payload}/rows.csv:17' in attacked.text


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('a\x00b\x1bc', 'a␀b␛c'),
        ('line\nbreak\t', 'line␊break␉'),
        ('name\u202egpj.exe', 'name\ufffdgpj.exe'),
        ('broken \udcff name', 'broken \ufffd name'),
        ('日本語 🙂 ñ', '日本語 🙂 ñ'),
    ],
)
def test_what_no_reader_could_see_is_made_visible(text: str, shown: str) -> None:
    assert pages.visible(text) == shown
    page = hostile(text)
    assert shown in page.text
    report.render(findings(text=text)).encode()  # a page is UTF-8


def test_pictures_can_be_left_out(found: Findings) -> None:
    without = replace(
        found,
        mistakes=replace(found.mistakes, worst=tuple(replace(one, thumbnail=None) for one in found.mistakes.worst)),
    )
    page = Page(report.render(without))

    assert 'The picture cannot be read' not in page.text
    assert 'cat, taken for dog (90.0 %) eval3.jpg' in page.text
