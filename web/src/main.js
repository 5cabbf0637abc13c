/** The page: which model, which picture, and the view that fits both. */

import { marked } from 'marked';
import { Counter } from './counter.js';
import { Editor } from './editor.js';
import { InputError } from './errors.js';
import { listModels, Model } from './model.js';
import { attempt, counted, element, get, make, onFile, say } from './page.js';
import { readPicture } from './pictures.js';

const SIDES = [64, 96, 128, 256, 512, 1024];

class Page {
  #editor = new Editor();
  #counter = new Counter();
  #model;
  #file;
  #asked = 0;

  async start() {
    const models = await listModels();
    element('model').replaceChildren(...models.map(({ name }) => make('option', { value: name, textContent: name })));
    element('model').addEventListener('change', () => attempt(() => this.#choose(models)));
    element('about-button').addEventListener('click', () => attempt(() => this.#showCard()));
    element('draw').addEventListener('click', () => attempt(() => this.#drawRandom()));
    element('side').addEventListener('change', () => this.#file && attempt(() => this.#open(this.#file)));
    onFile(element('file'), (file) => this.#open(file));
    onFile(element('scene-file'), (file) => this.#openScene(file));
    this.#takeDrops();
    await this.#choose(models);
  }

  /** Does what was asked for; `work` can ask whether that is still the last thing, and its errors count only then. */
  async #ask(work) {
    this.#asked += 1;
    const asked = this.#asked;
    const isWanted = () => asked === this.#asked;
    try {
      await work(isWanted);
    } catch (error) {
      if (isWanted()) throw error;
    }
  }

  async #choose(models) {
    this.#asked += 1;
    this.#file = null;
    const entry = models.find(({ name }) => name === element('model').value);
    this.#model = new Model(entry);
    const { photographs, imageSize, samples } = entry;
    element('editor').hidden = true;
    element('counter').hidden = true;
    element('draw').hidden = photographs;
    element('limits').textContent = photographs
      ? 'Bright or dark objects of about one size. PNG, JPEG, GIF, BMP or WebP; larger pictures are scaled down.'
      : `Trained on pictures of ${imageSize[1]} x ${imageSize[0]} pixels: objects should be about as large as in the ` +
        'samples. PNG, JPEG, GIF, BMP or WebP; larger pictures are scaled down.';
    const trained = Math.max(...imageSize);
    const larger = SIDES.filter((side) => side > trained && side <= entry.largestSide);
    const sides = photographs ? SIDES.filter((side) => side <= entry.largestSide) : [trained, ...larger];
    element('side').replaceChildren(...sides.map((side) => make('option', { value: side, textContent: side })));
    element('side').value = photographs ? sides.at(-1) : sides[0];
    const buttons = samples.map(({ file, name }) => {
      const picture = make('img', { src: this.#model.url(file), alt: name });
      const button = make('button', { type: 'button', title: name }, picture);
      button.addEventListener('click', () => attempt(() => this.#openSample(file)));
      return button;
    });
    element('samples').replaceChildren(...buttons);
    if (samples.length) await this.#openSample(samples[0].file);
    else say(photographs ? 'Open a picture.' : 'Open a picture, or draw a random scene.');
  }

  #openSample(file) {
    const model = this.#model;
    return this.#ask(async (isWanted) => {
      const contents = await (await get(model.url(file))).blob();
      if (isWanted()) await this.#show(model, new File([contents], file.split('/').at(-1)), isWanted);
    });
  }

  #open(file) {
    const model = this.#model;
    return this.#ask((isWanted) => this.#show(model, file, isWanted));
  }

  /** Takes a file that was dropped: a picture, or a scene that was saved. */
  #take(file) {
    return file.name.toLowerCase().endsWith('.json') ? this.#openScene(file) : this.#open(file);
  }

  #openScene(file) {
    const model = this.#model;
    return this.#ask(async (isWanted) => {
      if (model.entry.photographs) {
        throw new InputError('This model opens pictures only: choose one that draws scenes.');
      }
      await this.#editor.load(model, file, isWanted);
      this.#file = null;
    });
  }

  /** Shows a picture and what the model finds in it. */
  async #show(model, file, isWanted) {
    const { photographs, channels } = model.entry;
    say('Looking for objects ...');
    const picture = await readPicture(file, channels, Number(element('side').value));
    const found = await (photographs ? model.segment(picture) : model.encode(picture));
    if (!isWanted()) return;
    this.#file = file;
    if (photographs) {
      this.#counter.open(picture, found);
    } else if (await this.#editor.open(model, found, picture, isWanted)) {
      say(`${counted(found.objects.length)} found.`);
    }
  }

  #drawRandom() {
    const model = this.#model;
    return this.#ask(async (isWanted) => {
      const scene = await model.sample(...model.entry.imageSize);
      if (!isWanted()) return;
      this.#file = null;
      if (await this.#editor.open(model, scene, null, isWanted)) say(`A random scene: ${counted(scene.objects.length)}.`);
    });
  }

  async #showCard() {
    const card = await get(this.#model.url('README.md'));
    element('card').innerHTML = marked.parse(await card.text());
    element('about').showModal();
  }

  #takeDrops() {
    // On the window: what is dropped beside the page would be opened in its place.
    const mark = (dropping) => document.body.classList.toggle('dropping', dropping);
    window.addEventListener('dragover', (event) => {
      event.preventDefault();
      mark(true);
    });
    window.addEventListener('dragleave', () => mark(false));
    window.addEventListener('drop', (event) => {
      event.preventDefault();
      mark(false);
      const [file] = event.dataTransfer.files;
      if (file) attempt(() => this.#take(file));
      else say('Only files can be dropped: pictures, or scenes that were saved here.');
    });
  }
}

attempt(() => new Page().start());
