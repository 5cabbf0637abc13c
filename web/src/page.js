/** Parts of the page that every view uses. */

import { InputError } from './errors.js';

export function element(id) {
  return document.getElementById(id);
}

export function say(text) {
  show('status', text);
}

/** Writes a text, unless it is there already. */
export function show(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

export function counted(number) {
  return `${number} object${number === 1 ? '' : 's'}`;
}

/** How large a picture is, and was before it was scaled down. */
export function sizeOf({ height, width, original }) {
  const size = `${width} x ${height} pixels`;
  return original[0] === height ? size : `${size}, scaled down from ${original[1]} x ${original[0]}`;
}

let jobs = 0;

/** Does what a person asked for, with a sign of progress; what they can mend is said, and nothing is lost. */
export async function attempt(work) {
  jobs += 1;
  element('error').hidden = true;
  element('busy').hidden = false;
  try {
    await work();
  } catch (error) {
    element('error').textContent =
      error instanceof InputError ? error.message : `The model could not answer: ${error.message}`;
    element('error').hidden = false;
    say('');
  } finally {
    jobs -= 1;
    element('busy').hidden = jobs === 0;
  }
}

/** Gets a file of the page. */
export async function get(url) {
  const answer = await fetch(url).catch(() => null);
  if (!answer?.ok) throw new InputError(`${url} is missing on this host: build the page again, and copy all of it.`);
  return answer;
}

/** Calls back with the file that a person picks. */
export function onFile(input, take) {
  input.addEventListener('change', () => {
    const [file] = input.files;
    input.value = ''; // The same file can be picked again.
    if (file) attempt(() => take(file));
  });
}

/** Saves a file to the person's disk. */
export function save(name, blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function savePicture(name, canvas) {
  canvas.toBlob((blob) => save(name, blob), 'image/png');
}

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
