'use strict';
// Pictures in, answers out. Whatever comes from a file's name or from the model becomes text, never markup.

const AT_ONCE = 4;
const SHOWN = 5;
const PATIENCE = 30;

const waiting = [];
const counts = {asked: 0, answered: 0, refused: 0};
let underWay = 0;
let mostBytes = Infinity;

const byId = (id) => document.getElementById(id);
const later = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

function add(files) {
  const asked = Array.from(files, (file) => ({file, card: newCard(file)}));
  counts.asked += asked.length;
  waiting.push(...asked);
  byId('answers').prepend(...asked.map(({card}) => card));
  tell();
  while (underWay < AT_ONCE && waiting.length) work();
}

async function work() {
  underWay += 1;
  while (waiting.length) {
    const {file, card} = waiting.shift();
    const answer = await ask(file);
    if (answer.error === undefined) show(card, answer);
    else refuse(card, answer);
    tell();
  }
  underWay -= 1;
}

// The server's answer; while it is busy it is asked again.
async function ask(file) {
  if (file.size > mostBytes) {
    return {error: `larger than the ${Math.floor(mostBytes / 1e6)} MB this server takes`, reason: 'too-many-bytes'};
  }
  for (let attempt = 0; ; attempt += 1) {
    let response;
    try {
      response = await fetch('/predict', {method: 'POST', body: file, headers: {'Content-Type': 'application/octet-stream'}});
    } catch (error) {
      return {error: 'the server can not be reached, or the file can not be read', reason: 'unreachable'};
    }
    if (response.status === 503 && attempt < PATIENCE) {
      await later(Number(response.headers.get('Retry-After')) || 1);
      continue;
    }
    try {
      return await response.json();
    } catch (error) {
      return {error: `the server answered ${response.status}`, reason: 'internal'};
    }
  }
}

function newCard(file) {
  const card = byId('answer').content.firstElementChild.cloneNode(true);
  const image = card.querySelector('img');
  const address = URL.createObjectURL(file);
  image.addEventListener('load', () => { image.hidden = false; URL.revokeObjectURL(address); });
  image.addEventListener('error', () => { card.querySelector('.unseen').hidden = false; URL.revokeObjectURL(address); });
  image.src = address;
  card.querySelector('.name').textContent = file.name;
  card.querySelector('.name').title = file.name;
  return card;
}

function show(card, answer) {
  counts.answered += 1;
  card.classList.replace('waiting', 'answered');
  card.querySelector('.label').textContent = answer.label || 'none of the labels';
  const best = answer.top;
  drawScores(card, best.slice(0, SHOWN));
  const more = card.querySelector('.more');
  if (best.length > SHOWN) {
    more.hidden = false;
    more.textContent = `the best ${best.length}`;
    more.addEventListener('click', () => { drawScores(card, best); more.hidden = true; });
  }
}

function drawScores(card, scores) {
  const list = card.querySelector('.scores');
  list.replaceChildren(...scores.map(({label, score}, place) => {
    const row = document.createElement('div');
    const name = document.createElement('dt');
    const value = document.createElement('dd');
    const bar = document.createElement('div');
    const filled = document.createElement('i');
    row.className = place ? 'score' : 'score best';
    bar.className = 'bar';
    name.textContent = label;
    name.title = label;
    value.textContent = percent(score);
    bar.setAttribute('aria-hidden', 'true');
    bar.append(filled);
    row.append(name, value, bar);
    requestAnimationFrame(() => { filled.style.width = `${100 * score}%`; });
    return row;
  }));
}

function percent(score) {
  return score > 0 && score < 0.001 ? '< 0.1 %' : `${(100 * score).toFixed(1)} %`;
}

function refuse(card, answer) {
  counts.refused += 1;
  card.classList.replace('waiting', 'refused');
  card.querySelector('.label').textContent = (answer.reason || 'refused').replaceAll('-', ' ');
  const why = card.querySelector('.why');
  why.textContent = answer.error.replace(`${answer.key}: `, '').replace(`${answer.reason}: `, '');
  why.hidden = false;
}

function tell() {
  const left = counts.asked - counts.answered - counts.refused;
  const parts = [`${counts.asked} ${counts.asked === 1 ? 'picture' : 'pictures'}`];
  if (counts.refused) parts.push(`${counts.refused} refused`);
  if (left) parts.push(`${left} under way`);
  byId('tally').textContent = parts.join(', ');
}

// What the server says of its model; asked again while it is being loaded.
async function describe() {
  for (;;) {
    try {
      const {models} = await (await fetch('/v1/models')).json();
      const about = await (await fetch(`/v1/models/${encodeURIComponent(models[0])}`)).json();
      if (about.labels) {
        mostBytes = about.most_bytes;
        byId('model').textContent = `${about.labels.length} labels: ${listed(about.labels)}`;
        return;
      }
      byId('model').textContent = 'the model is being loaded …';
    } catch (error) {
      byId('model').textContent = 'the server can not be reached';
    }
    await later(1);
  }
}

function listed(labels) {
  const first = labels.slice(0, 6).join(', ');
  return labels.length > 6 ? `${first} …` : first;
}

const drop = byId('drop');
for (const kind of ['dragenter', 'dragover']) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add('over'); });
}
document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) drop.classList.remove('over'); });
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  add(event.dataTransfer.files);
});
document.addEventListener('paste', (event) => { if (event.clipboardData) add(event.clipboardData.files); });
for (const id of ['files', 'camera']) {
  byId(id).addEventListener('change', (event) => { add(event.target.files); event.target.value = ''; });
}
describe();
