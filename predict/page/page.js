'use strict';
// Pictures and short videos in, answers out. Whatever comes from a file's name or from the model becomes text, never markup.

const AT_ONCE = 4;
const SHOWN = 5;
const PATIENCE = 30;
const VIDEO_NAME = /\.(mp4|m4v|mov|webm|mkv|avi|mpg|mpeg|m2ts|3gp|ogv)$/i;
// As many hues as can be told apart; labels beyond them begin anew.
const HUES = 8;

const waiting = [];
const counts = {asked: 0, answered: 0, refused: 0, videos: 0};
let underWay = 0;
let mostBytes = Infinity;

const byId = (id) => document.getElementById(id);
const later = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

function add(files) {
  const asked = Array.from(files, (file) => ({file, card: newCard(file)}));
  counts.asked += asked.length;
  counts.videos += asked.filter(({file}) => isVideo(file)).length;
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
    if (answer.error !== undefined) refuse(card, answer);
    else if (answer.seconds) showTimeline(card, answer);
    else show(card, answer);
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
      response = await fetch(isVideo(file) ? '/video' : '/predict', {method: 'POST', body: file, headers: {'Content-Type': 'application/octet-stream'}});
    } catch (error) {
      return {error: 'the server can not be reached, or the file can not be read', reason: 'unreachable'};
    }
    if (response.status === 503 && attempt < PATIENCE) {
      await later(Number(response.headers.get('Retry-After')) || 1);
      continue;
    }
    try {
      const answer = await response.json();
      // A file may be JSON with pictures in it, which has answers of its own.
      return answer.error || answer.top || answer.seconds ? answer : {error: 'it is no picture', reason: 'not-an-image'};
    } catch (error) {
      return {error: `the server answered ${response.status}`, reason: 'internal'};
    }
  }
}

function isVideo(file) {
  return file.type.startsWith('video/') || (!file.type && VIDEO_NAME.test(file.name));
}

function newCard(file) {
  const card = byId('answer').content.firstElementChild.cloneNode(true);
  if (isVideo(file)) preview(card, file);
  else previewPicture(card, file);
  card.querySelector('.name').textContent = file.name;
  card.querySelector('.name').title = file.name;
  return card;
}

// A video stays where the browser has it as long as its card does: it is sought in.
function preview(card, file) {
  const video = card.querySelector('video');
  video.addEventListener('loadeddata', () => { video.hidden = false; });
  video.addEventListener('error', () => { card.querySelector('.unseen').hidden = false; });
  video.src = URL.createObjectURL(file);
  card.classList.add('video');
}

function previewPicture(card, file) {
  const image = card.querySelector('img');
  const address = URL.createObjectURL(file);
  image.addEventListener('load', () => { image.hidden = false; URL.revokeObjectURL(address); });
  image.addEventListener('error', () => { card.querySelector('.unseen').hidden = false; URL.revokeObjectURL(address); });
  image.src = address;
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

// One bar a second: as high as its score, in the colour of its label; a click seeks there.
function showTimeline(card, answer) {
  counts.answered += 1;
  card.classList.replace('waiting', 'answered');
  const {seconds} = answer;
  const names = [...new Set(seconds.map(({label}) => label))];
  const line = card.querySelector('.timeline');
  line.hidden = false;
  line.replaceChildren(...seconds.map((second) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const bar = document.createElement('i');
    const said = `${clock(second.start)} ${second.label || 'none of the labels'} ${percent(second.score)}`;
    button.type = 'button';
    button.title = said;
    button.setAttribute('aria-label', said);
    bar.className = `hue${names.indexOf(second.label) % HUES}`;
    bar.style.height = `${Math.max(8, 100 * second.score)}%`;
    button.append(bar);
    button.addEventListener('click', () => { seek(card, second, button); });
    item.append(button);
    return item;
  }));
  if (seconds.length) seek(card, seconds[0], line.querySelector('button'));
  else card.querySelector('.label').textContent = 'no second of it could be read';
  if (answer.unread) {
    const why = card.querySelector('.why');
    why.textContent = `${answer.unread} frames could not be decoded`;
    why.hidden = false;
  }
}

function seek(card, second, button) {
  const video = card.querySelector('video');
  if (video.readyState) video.currentTime = second.start;
  card.querySelector('.label').textContent = `${clock(second.start)} ${second.label || 'none of the labels'}`;
  drawScores(card, second.top.slice(0, SHOWN));
  for (const other of card.querySelectorAll('.timeline [aria-current]')) other.removeAttribute('aria-current');
  button.setAttribute('aria-current', 'true');
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
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
  const kind = counts.videos ? 'file' : 'picture';
  const parts = [`${counts.asked} ${kind}${counts.asked === 1 ? '' : 's'}`];
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
