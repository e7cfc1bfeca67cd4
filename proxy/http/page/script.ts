/**
 * The script of the page. Without it the page says the same and links instead of testing.
 *
 * It asks for one test download twice: what came from the cache is said by Cache-Status (RFC 9211).
 * It asks at http://weir/, which only a browser that uses the proxy reaches.
 * The clipboard is for https pages alone, so a line is selected and copied the old way, and where a
 * browser refuses that as well the selection stands for the keyboard.
 */
export const SCRIPT = `
const find = (id) => document.getElementById(id);
const isProxied = document.body.dataset.way === 'proxied';

async function download(id) {
  const answer = await fetch('http://weir/test/' + id);
  if (!answer.ok) throw new Error('status ' + answer.status);
  await answer.text();
  const said = /\\bweir;[^,]*/.exec(answer.headers.get('Cache-Status') || '');
  return said ? (/;\\s*hit\\b/.test(said[0]) ? 'HIT' : 'MISS') : undefined;
}

function source(word) {
  const tag = document.createElement('span');
  tag.className = 'tag ' + word.toLowerCase();
  tag.textContent = word;
  return word === 'HIT' ? [tag, ' from Weir’s cache'] : [tag];
}

function tell(found) {
  if (!isProxied) {
    find('state').textContent = found ? 'This browser passes through Weir.' : 'This browser does not use Weir yet.';
    find('status').classList.toggle('yes', Boolean(found));
    find('reached').hidden = true;
  }
  const words = !found
    ? ['http://weir/ did not answer. Set it up, then test again.']
    : found[0]
      ? ['Test download: first ', ...source(found[0]), ', second ', ...source(found[1]), '.']
      : ['The test download arrived. This proxy keeps no cache.'];
  find('test').replaceChildren(...words);
}

async function test() {
  const id = crypto.getRandomValues(new Uint32Array(2)).join('-');
  let found;
  try {
    found = [await download(id), await download(id)];
  } catch {}
  tell(found);
}

async function copy(pre, button) {
  getSelection().selectAllChildren(pre);
  let isDone = false;
  try {
    isDone = document.execCommand('copy');
  } catch {}
  button.textContent = isDone ? 'Copied' : 'Ctrl+C';
  find('said').textContent = isDone ? 'Copied' : 'Selected: press Ctrl+C or ⌘C to copy';
  setTimeout(() => (button.textContent = 'Copy'), 4000);
}

for (const pre of document.querySelectorAll('.line pre')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', 'Copy ' + pre.textContent);
  button.addEventListener('click', () => copy(pre, button));
  pre.after(button);
}
find('again').hidden = false;
find('again').addEventListener('click', test);
test();
`;
