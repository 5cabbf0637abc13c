/** The view in which a person edits a scene. */

import { InputError } from './errors.js';
import { History } from './history.js';
import { Latest } from './latest.js';
import { attempt, counted, element, make, save, savePicture, say, show, sizeOf } from './page.js';
import { difference } from './pixels.js';
import * as scenes from './scene.js';
import { Sprites } from './sprites.js';
import { colorOf, paint, Stage } from './stage.js';

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const BLENDED = 'blended';
const HOW_TO_ADD = 'Click where the new object should be; Escape ends it.';
// Of a number that is normal in the prior.
const NORMAL_RANGE = 3;

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
  // From which appearance to which the slider blends, as long as nothing else is done.
  #blend = null;
  #stage = new Stage(element('stage'), {
    select: (id) => this.#select(id),
    drag: (id, place) => attempt(() => this.#show(this.#dragged(id, place))),
    drop: (id, place) => attempt(() => this.#decide(() => this.#dragged(id, place), 'moved')),
    press: (place) => this.#adding && this.#add(place.map(Math.round)),
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
   * Shows a scene to edit; if it cannot be drawn, what was there before stays.
   *
   * @param {Model} model The model that draws it.
   * @param {object} scene The scene.
   * @param {?object} given The picture in which it was seen, if it was.
   * @param {function(): boolean} isWanted Whether it is still wanted, once it is drawn.
   * @returns {boolean} Whether it was.
   */
  async open(model, scene, given, isWanted) {
    const [sprites, start] = [new Sprites(), performance.now()];
    const picture = await draw(model, scene, sprites);
    if (!isWanted()) return false;
    [this.#model, this.#sprites, this.#history] = [model, sprites, new History(scene)];
    [this.#preview, this.#blend] = [null, null];
    this.#selected = scene.objects[0]?.id ?? null;
    element('given').hidden = !given;
    element('again').hidden = true;
    element('editor').hidden = false;
    element('blend').value = 0;
    this.#setAdding(false);
    // After what is being drawn of the scene before.
    await this.#drawing.run(async () => this.#showDrawn(scene, picture, start));
    if (given) {
      this.#given.showPicture(given);
      this.#given.showFrames(this.#framesOf(scene));
      show('given-count', counted(scene.objects.length));
      show('given-note', sizeOf(given));
    }
    return true;
  }

  /** Opens a scene that was saved. */
  async load(model, file, isWanted) {
    if (file.size > 2 ** 24) throw new InputError(`${file.name} is larger than 16 MB: it is no scene.`);
    const scene = scenes.sceneOfRequest(await file.text(), model.fields, model.entry.largestSide);
    if (await this.open(model, scene, null, isWanted)) say(`Loaded; ${counted(scene.objects.length)}.`);
  }

  #select(id) {
    if (id === this.#selected) return;
    this.#selected = id;
    this.#endBlend();
    say(`${this.#name(id)} selected.`);
    this.#showFrames();
    this.#showControls();
  }

  /** What an object is called, and where it is. */
  #name(id) {
    const { objects } = this.#shown;
    const [y, x] = scenes.find(this.#shown, id).location;
    return `Object ${objects.findIndex((object) => object.id === id) + 1} at ${+x.toFixed(1)}, ${+y.toFixed(1)}`;
  }

  /** A scene with an object where it was dragged to, in whole pixels; as it was if the object is gone. */
  #dragged(id, place) {
    return scenes.find(this.#scene, id) ? scenes.moved(this.#scene, id, place.map(Math.round)) : this.#scene;
  }

  /** Shows a scene that is not decided yet. */
  #show(scene) {
    this.#preview = scene;
    return this.#redraw();
  }

  /** Makes what was shown while something was dragged a step of the history, unless it was undone meanwhile. */
  #decide(makeScene, what, gesture = null) {
    return this.#preview ? this.#change(makeScene(), what, gesture) : this.#redraw();
  }

  /** Makes an edited scene the next step of the history; a gesture of several scenes is one step. */
  #change(scene, what, gesture = null) {
    this.#preview = null;
    if (what !== BLENDED) this.#endBlend();
    if (scene !== this.#scene) this.#history.push(scene, gesture);
    if (!this.#object) this.#selected = scene.objects.at(-1)?.id ?? null;
    element('again').hidden = true;
    const about = this.#selected === null ? '' : ` ${this.#name(this.#selected)}.`;
    say(`${what[0].toUpperCase()}${what.slice(1)}; ${counted(scene.objects.length)}.${about}`);
    return this.#redraw();
  }

  #redraw() {
    return this.#drawing.run(async () => {
      const [scene, start] = [this.#shown, performance.now()];
      this.#showDrawn(scene, await draw(this.#model, scene, this.#sprites), start);
    });
  }

  /** Shows the picture of a scene, whose drawing began at `start`. */
  #showDrawn(scene, picture, start) {
    this.#picture = picture;
    this.#stage.showPicture(picture);
    this.#showFrames(scene);
    this.#showControls();
    const milliseconds = performance.now() - start;
    element('speed').textContent = `Drawn in ${Math.round(milliseconds)} ms.`;
    element('speed').dataset.milliseconds = milliseconds;
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
    show('count', counted(objects.length));
    this.#showObjects();
    this.#showOthers();
    const none = !this.#object;
    for (const id of ['delete', 'duplicate', 'new-appearance']) element(id).disabled = none;
    for (const id of ['other', 'swap', 'take-appearance', 'blend']) element(id).disabled = none || objects.length < 2;
    element('undo').disabled = !this.#history.canUndo;
    element('redo').disabled = !this.#history.canRedo;
    this.#showLatents();
    // A control that is no longer of use passes the focus on.
    if (document.activeElement?.disabled) element('stage').focus({ preventScroll: true });
  }

  #showObjects() {
    const list = element('objects');
    const { objects } = this.#shown;
    const present = new Set(objects.map(({ id }) => String(id)));
    for (const item of [...list.children]) {
      if (present.has(item.dataset.id)) continue;
      if (item.contains(document.activeElement)) element('stage').focus({ preventScroll: true });
      item.remove();
    }
    const items = new Map([...list.children].map((item) => [item.dataset.id, item]));
    for (const object of objects) this.#showObject(object, items.get(String(object.id)) ?? this.#makeItem(object.id));
  }

  #makeItem(id) {
    const button = make('button', { type: 'button' }, make('canvas', { className: 'sprite' }), make('span'));
    button.style.borderColor = colorOf(id);
    for (const event of ['click', 'focus']) button.addEventListener(event, () => this.#select(id));
    const item = make('li', {}, button);
    item.dataset.id = id;
    return item;
  }

  #showObject(object, item) {
    if (!item.isConnected) element('objects').append(item);
    const [canvas, text] = item.firstChild.children;
    const sprite = this.#sprites.of(object);
    if (sprite) paint(canvas, sprite.picture);
    text.textContent = this.#name(object.id);
    item.firstChild.setAttribute('aria-pressed', object.id === this.#selected);
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

  /** A slider for each number of the selected object's appearance; those of categories are whole numbers. */
  #showLatents() {
    const object = this.#object;
    const panel = element('latents');
    element('latents-panel').hidden = !object;
    if (!object || !element('latents-panel').open) return;
    paint(element('sprite'), this.#sprites.of(object)?.picture ?? this.#picture);
    const latents = scenes
      .appearanceFields(this.#model.fields)
      .flatMap((field) => object.appearance[field].map((value, index) => ({ field, index, value })));
    const names = latents.map(({ field, index }) => `${field} ${index + 1}`);
    if (panel.dataset.names !== `${this.#model.entry.name}: ${names}`) {
      panel.dataset.names = `${this.#model.entry.name}: ${names}`;
      panel.replaceChildren(...latents.map(({ field, index }) => this.#latentSlider(field, index)));
    }
    latents.forEach(({ value }, place) => {
      const [input, said] = panel.children[place].children;
      said.textContent = value.toFixed(2);
      if (this.#preview) return;
      [input.min, input.max] = [Math.min(input.min, value), Math.max(input.max, value)];
      input.value = value;
    });
  }

  #latentSlider(field, index) {
    const { categories, inPixels, circular } = this.#model.fields[field];
    const input = make('input', { type: 'range', step: categories ? 1 : 0.05 });
    if (categories) [input.min, input.max] = [0, categories - 1];
    else if (inPixels) [input.min, input.max] = [1, Math.max(...this.#model.entry.imageSize)];
    else if (circular) [input.min, input.max] = [-3.15, 3.15];
    else [input.min, input.max] = [-NORMAL_RANGE, NORMAL_RANGE];
    const name = `${field} ${index + 1}`;
    const said = make('span');
    const changed = () => scenes.withLatent(this.#scene, this.#selected, field, index, input.valueAsNumber);
    input.addEventListener('input', () => attempt(() => this.#show(changed())));
    input.addEventListener('change', () => attempt(() => this.#decide(changed, `${name} changed`, name)));
    return make('label', {}, `${name} `, input, said);
  }

  // What a person asks for.

  #listen() {
    const actions = {
      delete: () => this.#delete(),
      duplicate: () => this.#duplicate(),
      'new-appearance': () => this.#newAppearance(),
      add: () => this.#setAdding(!this.#adding),
      'add-middle': () => this.#add([this.#scene.height, this.#scene.width].map((side) => Math.floor(side / 2))),
      swap: () => this.#change(scenes.swapped(this.#scene, this.#selected, this.#other.id), 'swapped'),
      'take-appearance': () =>
        this.#change(scenes.restyled(this.#scene, this.#selected, this.#other.appearance), 'appearance taken over'),
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
        if (this.#blend) await this.#decide(() => this.#blended(), BLENDED, `blend ${this.#blend.from.id}`);
      }),
    );
    element('other').addEventListener('change', () => this.#endBlend());
    element('latents-panel').addEventListener('toggle', () => this.#history && this.#showLatents());
    for (const id of ['stage', 'objects']) {
      element(id).addEventListener('keydown', (event) => this.#isOurs(event) && attempt(() => this.#press(event)));
    }
    // On the page, since a button that was just disabled passes no keys on.
    document.addEventListener('keydown', (event) => {
      if (element('editor').hidden || element('about').open) return;
      if (event.key === 'Escape' && this.#adding) this.#setAdding(false);
      const key = event.ctrlKey || event.metaKey ? event.key.toLowerCase() : '';
      if (key !== 'z' && key !== 'y') return;
      event.preventDefault();
      attempt(() => this.#step(key === 'y' || event.shiftKey ? 'redo' : 'undo'));
    });
  }

  get #other() {
    return scenes.find(this.#scene, Number(element('other').value));
  }

  /** Whether a key is for the selected object. */
  #isOurs(event) {
    const keys = [...Object.keys(ARROWS), 'Delete', 'Backspace', 'PageUp', 'PageDown'];
    return this.#object && keys.includes(event.key) && !(event.ctrlKey || event.metaKey || event.altKey);
  }

  async #press(event) {
    event.preventDefault();
    const { objects } = this.#scene;
    const { id, location } = scenes.find(this.#scene, this.#selected);
    const neighbor = (step) => objects.at((objects.findIndex((each) => each.id === id) + step) % objects.length).id;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const length = event.shiftKey ? 5 : 1;
      const place = location.map((value, axis) => value + length * arrow[axis]);
      await this.#change(scenes.moved(this.#scene, id, place), 'moved', `move ${id}`);
    } else if (event.key === 'PageUp') this.#select(neighbor(-1));
    else if (event.key === 'PageDown') this.#select(neighbor(1));
    else await this.#delete();
  }

  #step(which) {
    this.#preview = null;
    this.#endBlend();
    this.#history[which]();
    if (!this.#object) this.#selected = this.#scene.objects[0]?.id ?? null;
    element('again').hidden = true;
    say(`${which === 'undo' ? 'Undone' : 'Redone'}; ${counted(this.#scene.objects.length)}.`);
    return this.#redraw();
  }

  #delete() {
    return this.#change(scenes.removed(this.#scene, this.#selected), 'deleted');
  }

  #duplicate() {
    const { location, appearance } = this.#object;
    const beside = (value, size) => (value + 8 < size ? value + 8 : value - 8);
    const place = [beside(location[0], this.#scene.height), beside(location[1], this.#scene.width)];
    return this.#addObject(place, appearance, 'duplicated');
  }

  async #newAppearance() {
    const [history, id] = [this.#history, this.#selected];
    const { height, width } = this.#scene;
    const appearance = await this.#model.sampleAppearance(height, width);
    if (history !== this.#history || !scenes.find(this.#scene, id)) return;
    await this.#change(scenes.restyled(this.#scene, id, appearance), 'new appearance');
  }

  #setAdding(adding) {
    this.#adding = adding;
    element('add').setAttribute('aria-pressed', adding);
    element('stage').classList.toggle('adding', adding);
    if (adding) element('stage').scrollIntoView({ block: 'nearest' });
    if (adding || element('status').textContent === HOW_TO_ADD) say(adding ? HOW_TO_ADD : '');
  }

  #add(place) {
    return attempt(async () => {
      const history = this.#history;
      const { height, width } = this.#scene;
      this.#setAdding(false);
      const appearance = await this.#model.sampleAppearance(height, width);
      if (history === this.#history) await this.#addObject(place, appearance, 'added');
    });
  }

  #addObject(place, appearance, what) {
    const scene = scenes.added(this.#scene, place, appearance);
    this.#selected = scene.objects.at(-1).id;
    return this.#change(scene, what);
  }

  /** The scene with the selected object between what it was when the blend began and the other object. */
  #blended() {
    this.#blend ??= { from: scenes.find(this.#scene, this.#selected), to: this.#other };
    const { from, to } = this.#blend;
    const share = element('blend').valueAsNumber;
    const appearance = scenes.blended(from.appearance, to.appearance, share, this.#model.fields);
    return scenes.restyled(this.#scene, from.id, appearance);
  }

  #endBlend() {
    this.#blend = null;
    element('blend').value = 0;
  }

  async #inferAgain() {
    await this.#redraw();
    const [model, edited, drawn] = [this.#model, this.#shown, this.#picture];
    const seen = await model.encode(drawn);
    const picture = await draw(model, seen, this.#sprites);
    if (edited !== this.#shown) return;
    element('again').hidden = false;
    this.#again.showPicture(picture);
    this.#again.showFrames(this.#framesOf(seen));
    paint(element('again-difference'), difference(drawn, picture));
    show('again-count', counted(seen.objects.length));
    show('again-note', compared(edited.objects, seen.objects));
    say(`The model sees ${counted(seen.objects.length)} in the edited scene.`);
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
}

/** The picture of a scene; objects that were not drawn alone before are drawn in the same go. */
async function draw(model, scene, sprites) {
  const alone = sprites.missing(scene);
  const [picture, ...pictures] = await model.decode([scene, ...alone]);
  alone.forEach((each, index) => sprites.add(each, pictures[index]));
  return picture;
}

/** What a person reads about the objects of a scene and those that are seen in it. */
function compared(objects, seen) {
  if (objects.length !== seen.length) return `The scene has ${objects.length}. The lower picture is the difference.`;
  if (!objects.length) return 'There are none in the scene either.';
  const farthest = Math.max(...objects.map((object) => Math.min(...seen.map((other) => apart(object, other)))));
  return `As many as in the scene, none farther than ${farthest.toFixed(1)} pixels from where it is. The lower picture is the difference.`;
}

function apart({ location: [y, x] }, { location: [row, column] }) {
  return Math.hypot(y - row, x - column);
}
