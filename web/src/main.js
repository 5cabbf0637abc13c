/** The page: which model, which picture, and the view that fits both. */

import { marked } from 'marked';
import { Counter } from './counter.js';
import { Editor } from './editor.js';
import { listModels, Model } from './model.js';
import { attempt, counted, element, make, onFile, say } from './page.js';
import { readPicture } from './pictures.js';

const SIDES = [64, 96, 128, 256, 512, 1024];

class Page {
  #editor = new Editor();
  #counter = new Counter();
  #model;
  // What was shown last, so that an answer to an earlier question does not take its place.
  #asked = 0;

  async start() {
    const models = await listModels();
    element('model').replaceChildren(...models.map(({ name }) => make('option', { value: name, textContent: name })));
    element('model').addEventListener('change', () => attempt(() => this.#choose(models)));
    element('about-button').addEventListener('click', () => attempt(() => this.#showCard()));
    element('draw').addEventListener('click', () => attempt(() => this.#drawFromPrior()));
    onFile(element('file'), (file) => this.#open(file));
    this.#takeDrops();
    await this.#choose(models);
  }

  async #choose(models) {
    const entry = models.find(({ name }) => name === element('model').value);
    this.#model = new Model(entry);
    const { photographs, imageSize, samples } = entry;
    element('editor').hidden = true;
    element('counter').hidden = true;
    element('draw').hidden = photographs;
    element('limits').textContent = photographs
      ? 'Bright or dark objects, all of about one size. PNG, JPEG, GIF, BMP or WebP; larger pictures are scaled down.'
      : `Trained on pictures of ${imageSize[1]} x ${imageSize[0]} pixels: objects should be about as large as in the ` +
        'samples. PNG, JPEG, GIF, BMP or WebP; larger pictures are scaled down.';
    const sides = SIDES.filter((side) => side <= entry.largestSide && side >= Math.min(...imageSize));
    element('side').replaceChildren(...sides.map((side) => make('option', { value: side, textContent: side })));
    element('side').value = photographs ? sides.at(-1) : sides[0];
    const buttons = samples.map(({ file, name }) => {
      const picture = make('img', { src: this.#model.url(file), alt: name });
      const button = make('button', { type: 'button', title: name }, picture);
      button.addEventListener('click', () => attempt(() => this.#openSample(file, name)));
      return button;
    });
    element('samples').replaceChildren(...buttons);
    if (samples.length) await this.#openSample(samples[0].file, samples[0].name);
  }

  async #openSample(file, name) {
    const answer = await fetch(this.#model.url(file));
    await this.#open(new File([await answer.blob()], name));
  }

  async #open(file) {
    const model = this.#model;
    this.#asked += 1;
    const asked = this.#asked;
    say('Looking for objects ...');
    const { photographs, channels } = model.entry;
    const picture = await readPicture(file, channels, Number(element('side').value));
    if (photographs) {
      await this.#counter.open(model, picture);
      return;
    }
    const scene = await model.encode(picture);
    if (asked !== this.#asked) return;
    await this.#editor.open(model, scene, picture);
    say(`${counted(scene.objects.length)} found.`);
  }

  async #drawFromPrior() {
    this.#asked += 1;
    const scene = await this.#model.sample(...this.#model.entry.imageSize);
    await this.#editor.open(this.#model, scene);
    say(`Drawn from the prior: ${counted(scene.objects.length)}.`);
  }

  async #showCard() {
    const answer = await fetch(this.#model.url('README.md'));
    element('card').innerHTML = marked.parse(await answer.text());
    element('about').showModal();
  }

  #takeDrops() {
    const target = document.body;
    target.addEventListener('dragover', (event) => {
      event.preventDefault();
      target.classList.add('dropping');
    });
    target.addEventListener('dragleave', () => target.classList.remove('dropping'));
    target.addEventListener('drop', (event) => {
      event.preventDefault();
      target.classList.remove('dropping');
      const [file] = event.dataTransfer.files;
      if (file) attempt(() => this.#open(file));
    });
  }
}

attempt(() => new Page().start());
