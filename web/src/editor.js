/** The view in which a person edits a scene. */

import { InputError } from './errors.js';
import { History } from './history.js';
import { Latest } from './latest.js';
import { attempt, counted, element, make, onFile, save, savePicture, say, sizeOf } from './page.js';
import { difference } from './pixels.js';
import * as scenes from './scene.js';
import { Sprites } from './sprites.js';
import { colorOf, paint, Stage } from './stage.js';

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const SINGLE_LATENT_RANGE = 3;

export class Editor {
  #model;
  #history;
  #selected = null;
  #adding = false;
  #picture;
  #sprites = new Sprites();
  #drawing = new Latest();
  // The scene while something is dragged, before it becomes a step of the history.
  #preview = null;
  #stage = new Stage(element('stage'), {
    select: (id) => this.#select(id),
    drag: (id, place) => attempt(() => this.#show(scenes.moved(this.#scene, id, place))),
    drop: (id, place) => attempt(() => this.#change(scenes.moved(this.#scene, id, place), 'moved')),
    press: (place) => this.#adding && this.#add(place),
  });
  #given = new Stage(element('given-picture'));
  #again = new Stage(element('again-picture'));

  constructor() {
    this.#listen();
  }

  /** The scene as it stands in the history. */
  get #scene() {
    return this.#history.present;
  }

  get #shown() {
    return this.#preview ?? this.#scene;
  }

  get #object() {
    return scenes.find(this.#shown, this.#selected);
  }

  /**
   * Shows a scene to edit.
   *
   * @param {Model} model The model that draws it.
   * @param {object} scene The scene.
   * @param {?object} given The picture in which it was seen, if it was.
   */
  async open(model, scene, given = null) {
    this.#model = model;
    this.#history = new History(scene);
    this.#preview = null;
    this.#selected = scene.objects[0]?.id ?? null;
    this.#sprites = new Sprites();
    element('given').hidden = !given;
    element('again').hidden = true;
    element('editor').hidden = false;
    this.#setAdding(false);
    await this.#redraw();
    if (given) {
      this.#given.showPicture(given);
      this.#given.showFrames(this.#framesOf(scene));
      element('given-count').textContent = counted(scene.objects.length);
      element('given-note').textContent = sizeOf(given);
    }
  }

  #select(id) {
    this.#selected = id;
    this.#showFrames();
    this.#showControls();
  }

  /** Shows a scene that is not decided yet. */
  #show(scene) {
    this.#preview = scene;
    return this.#redraw();
  }

  /** Makes an edited scene the next step of the history. */
  #change(scene, what) {
    this.#preview = null;
    this.#history.push(scene);
    if (!this.#object) this.#selected = scene.objects.at(-1)?.id ?? null;
    element('again').hidden = true;
    say(`${what[0].toUpperCase()}${what.slice(1)}; ${counted(scene.objects.length)}.`);
    return this.#redraw();
  }

  #redraw() {
    return this.#drawing.run(async () => {
      const scene = this.#shown;
      const start = performance.now();
      this.#picture = await this.#draw(scene);
      this.#stage.showPicture(this.#picture);
      this.#showFrames(scene);
      this.#showControls();
      const milliseconds = performance.now() - start;
      element('speed').textContent = `Drawn in ${Math.round(milliseconds)} ms.`;
      element('speed').dataset.milliseconds = milliseconds;
    });
  }

  /** The picture of a scene; objects that were not drawn alone before are drawn in the same go. */
  async #draw(scene) {
    const alone = this.#sprites.missing(scene);
    const [picture, ...sprites] = await this.#model.decode([scene, ...alone]);
    alone.forEach((each, index) => this.#sprites.add(each, sprites[index]));
    return picture;
  }

  #showFrames(scene = this.#shown) {
    this.#stage.showFrames(this.#framesOf(scene), this.#selected);
  }

  /** Where each object of a scene that was drawn is. */
  #framesOf(scene) {
    const drawn = scene.objects.filter((object) => this.#sprites.of(object));
    return drawn.map((object) => ({ ...object, extent: this.#sprites.of(object).extent }));
  }

  #showControls() {
    const { objects } = this.#shown;
    element('count').textContent = counted(objects.length);
    this.#showObjects();
    this.#showOthers();
    const none = !this.#object;
    for (const id of ['delete', 'duplicate', 'new-looks']) element(id).disabled = none;
    for (const id of ['other', 'swap', 'take-looks', 'blend']) element(id).disabled = none || objects.length < 2;
    element('undo').disabled = !this.#history.canUndo;
    element('redo').disabled = !this.#history.canRedo;
    this.#showLatents();
  }

  #showObjects() {
    const list = element('objects');
    const focused = list.contains(document.activeElement);
    const items = this.#shown.objects.map((object, index) => {
      const [y, x] = object.location;
      const canvas = make('canvas', { className: 'sprite' });
      const sprite = this.#sprites.of(object);
      if (sprite) paint(canvas, sprite.picture);
      const isSelected = object.id === this.#selected;
      const button = make('button', { type: 'button' }, canvas, `Object ${index + 1} at ${x}, ${y}`);
      button.style.borderColor = colorOf(index);
      button.setAttribute('aria-pressed', isSelected);
      button.addEventListener('click', () => this.#select(object.id));
      return make('li', {}, button);
    });
    list.replaceChildren(...items);
    if (focused) list.querySelector('[aria-pressed="true"]')?.focus();
  }

  #showOthers() {
    const select = element('other');
    const before = select.value;
    const others = this.#shown.objects
      .map((object, index) => make('option', { value: object.id, textContent: `Object ${index + 1}` }))
      .filter((option) => Number(option.value) !== this.#selected);
    select.replaceChildren(...others);
    if (others.some((option) => option.value === before)) select.value = before;
  }

  /** A slider for each number of the selected object's looks; those of categories are whole numbers. */
  #showLatents() {
    const object = this.#object;
    const panel = element('latents');
    element('latents-panel').hidden = !object;
    if (!object || !element('latents-panel').open) return;
    paint(element('sprite'), this.#sprites.of(object)?.picture ?? this.#picture);
    const latents = scenes
      .looksFields(this.#model.fields)
      .flatMap((field) => object.looks[field].map((value, index) => ({ field, index, value })));
    if (panel.children.length !== latents.length) {
      panel.replaceChildren(...latents.map(({ field, index }) => this.#latentSlider(field, index)));
    }
    latents.forEach(({ value }, place) => {
      const input = panel.children[place].querySelector('input');
      if (input !== document.activeElement) input.value = value;
    });
  }

  #latentSlider(field, index) {
    const { categories } = this.#model.fields[field];
    const input = make('input', { type: 'range', step: categories ? 1 : 0.05 });
    input.min = categories ? 0 : -SINGLE_LATENT_RANGE;
    input.max = categories ? categories - 1 : SINGLE_LATENT_RANGE;
    const changed = () => scenes.withLatent(this.#scene, this.#selected, field, index, input.valueAsNumber);
    input.addEventListener('input', () => attempt(() => this.#show(changed())));
    input.addEventListener('change', () => attempt(() => this.#change(changed(), `${field} ${index + 1} changed`)));
    return make('label', {}, `${field} ${index + 1} `, input);
  }

  // What a person asks for.

  #listen() {
    const actions = {
      delete: () => this.#delete(),
      duplicate: () => this.#duplicate(),
      'new-looks': () => this.#newLooks(),
      add: () => this.#setAdding(!this.#adding),
      'add-middle': () => this.#add([this.#scene.height / 2, this.#scene.width / 2]),
      swap: () => this.#change(scenes.swapped(this.#scene, this.#selected, this.#other.id), 'swapped'),
      'take-looks': () =>
        this.#change(scenes.restyled(this.#scene, this.#selected, this.#other.looks), 'looks taken over'),
      undo: () => this.#step('undo'),
      redo: () => this.#step('redo'),
      'infer-again': () => this.#inferAgain(),
      'save-scene': () => this.#saveScene(),
      'save-picture': () => this.#savePicture(),
    };
    for (const [id, action] of Object.entries(actions)) {
      element(id).addEventListener('click', () => attempt(async () => action()));
    }
    element('blend').addEventListener('input', () => attempt(() => this.#show(this.#blended())));
    element('blend').addEventListener('change', () =>
      attempt(async () => {
        await this.#change(this.#blended(), 'blended');
        element('blend').value = 0;
      }),
    );
    element('latents-panel').addEventListener('toggle', () => this.#history && this.#showLatents());
    onFile(element('scene-file'), (file) => this.#loadScene(file));
    for (const id of ['stage', 'objects']) element(id).addEventListener('keydown', (event) => attempt(() => this.#press(event)));
    // On the page, since a button that was just disabled passes no keys on.
    document.addEventListener('keydown', (event) => {
      const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z';
      if (!isUndo || element('editor').hidden) return;
      event.preventDefault();
      attempt(() => this.#step(event.shiftKey ? 'redo' : 'undo'));
    });
  }

  get #other() {
    return scenes.find(this.#scene, Number(element('other').value));
  }

  async #press(event) {
    const object = this.#object;
    if (event.ctrlKey || event.metaKey || event.altKey || !object) return;
    const arrow = ARROWS[event.key];
    if (!arrow && !['Delete', 'Backspace', 'PageUp', 'PageDown', 'Escape'].includes(event.key)) return;
    const { objects } = this.#scene;
    const neighbor = (step) => objects.at((objects.indexOf(object) + step) % objects.length).id;
    event.preventDefault();
    if (arrow) {
      const length = event.shiftKey ? 5 : 1;
      const place = object.location.map((value, axis) => value + length * arrow[axis]);
      await this.#change(scenes.moved(this.#scene, object.id, place), 'moved');
    } else if (event.key === 'PageUp') this.#select(neighbor(-1));
    else if (event.key === 'PageDown') this.#select(neighbor(1));
    else if (event.key === 'Escape') this.#setAdding(false);
    else await this.#delete();
  }

  #step(which) {
    this.#preview = null;
    this.#history[which]();
    if (!this.#object) this.#selected = this.#scene.objects[0]?.id ?? null;
    element('again').hidden = true;
    say(`${which === 'undo' ? 'Undone' : 'Done again'}; ${counted(this.#scene.objects.length)}.`);
    return this.#redraw();
  }

  #delete() {
    return this.#change(scenes.removed(this.#scene, this.#selected), 'deleted');
  }

  #duplicate() {
    const { location, looks } = this.#object;
    const [y, x] = location;
    const beside = (value, size) => (value + 8 < size ? value + 8 : value - 8);
    const place = [beside(y, this.#scene.height), beside(x, this.#scene.width)];
    return this.#addObject(place, looks, 'duplicated');
  }

  async #newLooks() {
    const { height, width } = this.#scene;
    const id = this.#selected;
    const looks = await this.#model.sampleLooks(height, width);
    return this.#change(scenes.restyled(this.#scene, id, looks), 'new looks');
  }

  #setAdding(adding) {
    this.#adding = adding;
    element('add').setAttribute('aria-pressed', adding);
    element('stage').classList.toggle('adding', adding);
    if (adding) say('Click where the new object should be.');
  }

  #add(place) {
    return attempt(async () => {
      const { height, width } = this.#scene;
      await this.#addObject(place, await this.#model.sampleLooks(height, width), 'added');
      this.#setAdding(false);
    });
  }

  #addObject(place, looks, what) {
    const scene = scenes.added(this.#scene, place, looks);
    this.#selected = scene.objects.at(-1).id;
    return this.#change(scene, what);
  }

  #blended() {
    const looks = scenes.blended(
      scenes.find(this.#scene, this.#selected).looks,
      this.#other.looks,
      element('blend').valueAsNumber,
      this.#model.fields,
    );
    return scenes.restyled(this.#scene, this.#selected, looks);
  }

  async #inferAgain() {
    await this.#drawing.run(async () => {});
    const drawn = this.#picture;
    const scene = await this.#model.encode(drawn);
    const picture = await this.#draw(scene);
    element('again').hidden = false;
    this.#again.showPicture(picture);
    this.#again.showFrames(this.#framesOf(scene));
    paint(element('again-difference'), difference(drawn, picture));
    const [edited, seen] = [this.#scene.objects.length, scene.objects.length];
    element('again-count').textContent = counted(seen);
    const largest = Math.max(0, ...matched(this.#scene.objects, scene.objects));
    element('again-note').textContent =
      seen === edited
        ? `The same number as in the scene; each within ${largest.toFixed(1)} pixels of where it is. Below, the difference.`
        : `The scene has ${edited}. Below, the difference.`;
    say(`The model sees ${counted(seen)} in the edited scene.`);
  }

  #saveScene() {
    const text = JSON.stringify(scenes.requestOf(this.#scene, this.#model.fields));
    save(`${this.#model.entry.name}-scene.json`, new Blob([text], { type: 'application/json' }));
  }

  #savePicture() {
    const canvas = document.createElement('canvas');
    paint(canvas, this.#picture);
    savePicture(`${this.#model.entry.name}-scene.png`, canvas);
  }

  async #loadScene(file) {
    if (file.size > 2 ** 24) throw new InputError(`${file.name} is larger than 16 MB: it is no scene.`);
    const scene = scenes.sceneOfRequest(await file.text(), this.#model.fields, this.#model.entry.largestSide);
    await this.open(this.#model, scene);
    say(`Loaded; ${counted(scene.objects.length)}.`);
  }
}

/** How far each object of a scene is from the nearest of another. */
function matched(objects, others) {
  return objects.map(({ location: [y, x] }) =>
    Math.min(...others.map(({ location: [row, column] }) => Math.hypot(y - row, x - column))),
  );
}
