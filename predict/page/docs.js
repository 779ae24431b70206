'use strict';
// /openapi.json as a page; all of it is text.

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function table(rows) {
  const made = element('table');
  for (const [first, second] of rows) {
    const row = made.insertRow();
    row.insertCell().textContent = first;
    row.insertCell().textContent = second;
  }
  return made;
}

function referenced(content) {
  return Object.entries(content).map(([type, {schema}]) => (schema.$ref ? `${type}: ${schema.$ref.split('/').pop()}` : type)).join(', ');
}

function operation(path, method, said) {
  const section = element('section');
  const heading = element('h2');
  heading.append(element('span', method.toUpperCase(), 'method'), element('code', path));
  section.append(heading, element('p', said.summary, 'quiet'));
  if (said.description) section.append(element('p', said.description));
  if (said.requestBody) section.append(element('p', `takes ${referenced(said.requestBody.content)}`));
  const responses = Object.entries(said.responses).map(([status, {description, content}]) => [
    status, content ? `${description} (${referenced(content)})` : description,
  ]);
  section.append(table(responses));
  return section;
}

function schema(name, said) {
  const section = element('section');
  const details = element('details');
  details.append(element('summary', name), element('pre', JSON.stringify(said, null, 1)));
  section.append(details);
  return section;
}

async function draw() {
  const api = await (await fetch('/openapi.json')).json();
  const here = window.location.origin;
  document.getElementById('about').textContent = api.info.description;
  const {models} = await (await fetch('/v1/models')).json();
  document.getElementById('try').textContent = [
    `curl -F image=@PICTURE ${here}/predict`,
    `curl --data-binary @PICTURE ${here}/predict`,
    `python -m predict.images_to_json --format instances -o request.json PICTURE …`,
    `curl -d @request.json ${here}/v1/models/${encodeURIComponent(models[0])}:predict`,
  ].join('\n');
  const paths = document.getElementById('paths');
  for (const [path, said] of Object.entries(api.paths)) {
    for (const method of ['post', 'get']) {
      if (said[method]) paths.append(operation(path, method, said[method]));
    }
  }
  for (const [name, said] of Object.entries(api.components.schemas)) paths.append(schema(name, said));
}

draw();
