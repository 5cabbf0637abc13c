/**
 * Scenes as a person edits them. A scene is never changed: every edit returns a new one.
 *
 * scene = {height, width, objects, whole}
 *   objects: [{id, location: [y, x] in pixels, appearance: {field: number[]}}], appearance being every field of an object that a
 *     decoder takes besides its presence and its location, each flattened
 *   whole: {field: number[]}, the fields of the scene as a whole
 *
 * `fields` is what the list of models says of a model's fields: {name: {byObject, shape, type, categories, inPixels, circular}},
 * `categories` being how many there are, of fields that name one.
 */

import { InputError } from './errors.js';

export const PRESENCE = 'presence';
export const LOCATIONS = 'locations';
export const MOST_OBJECTS = 100;

let lastId = 0;

/** A new object. */
export function makeObject(location, appearance) {
  lastId += 1;
  return { id: lastId, location, appearance };
}

/** The names of the fields that make up the appearance of an object. */
export function appearanceFields(fields) {
  return Object.keys(fields).filter((name) => fields[name].byObject && name !== PRESENCE && name !== LOCATIONS);
}

/** The scenes in a description as an encoder returns it: tensors by name, each {dims, data}. */
export function scenesOf(tensors, fields, height, width) {
  const [batch, slots] = tensors[PRESENCE].dims;
  return Array.from({ length: batch }, (_, scene) => {
    const present = Array.from({ length: slots }, (_, slot) => scene * slots + slot).filter(
      (place) => tensors[PRESENCE].data[place] > 0.5,
    );
    const objects = present.map((place) =>
      makeObject(
        part(tensors[LOCATIONS], place, batch * slots),
        Object.fromEntries(appearanceFields(fields).map((name) => [name, part(tensors[name], place, batch * slots)])),
      ),
    );
    const whole = Object.entries(fields).filter(([, field]) => !field.byObject);
    return {
      height,
      width,
      objects,
      whole: Object.fromEntries(whole.map(([name]) => [name, part(tensors[name], scene, batch)])),
    };
  });
}

/** The values of one of `count` equal parts of a tensor. */
function part(tensor, index, count) {
  const size = tensor.data.length / count;
  return Array.from(tensor.data.subarray(index * size, (index + 1) * size));
}

/**
 * What a decoder takes, for scenes of one size: {name: {type, dims, data}}. Scenes with fewer objects than others have
 * empty slots, which hold 0; there is always one.
 */
export function decoderInputs(scenes, fields) {
  const slots = Math.max(1, ...scenes.map((scene) => scene.objects.length));
  const inputs = {
    image_size: {
      type: 'int32',
      dims: [scenes.length, 2],
      data: Int32Array.from(scenes.flatMap((scene) => [scene.height, scene.width])),
    },
  };
  for (const [name, field] of Object.entries(fields)) {
    const dims = [scenes.length, ...(field.byObject ? [slots] : []), ...field.shape];
    const data = new (field.type === 'int32' ? Int32Array : Float32Array)(dims.reduce((a, b) => a * b, 1));
    const size = field.shape.reduce((a, b) => a * b, 1);
    scenes.forEach((scene, row) => {
      if (!field.byObject) data.set(scene.whole[name], row * size);
      else scene.objects.forEach((object, slot) => data.set(valuesOf(object, name), (row * slots + slot) * size));
    });
    inputs[name] = { type: field.type, dims, data };
  }
  return inputs;
}

function valuesOf(object, name) {
  if (name === PRESENCE) return [1];
  return name === LOCATIONS ? object.location : object.appearance[name];
}

// Edits.

/** Puts an object elsewhere, within the picture. */
export function moved(scene, id, [y, x]) {
  const location = [clamp(y, scene.height), clamp(x, scene.width)];
  if (location.every((value, axis) => value === find(scene, id).location[axis])) return scene;
  return withObject(scene, id, (object) => ({ ...object, location }));
}

function clamp(value, size) {
  return Math.min(size - 1, Math.max(0, value));
}

export function removed(scene, id) {
  return { ...scene, objects: scene.objects.filter((object) => object.id !== id) };
}

/** Adds an object with the appearance of another or of its own; the new one is the last. */
export function added(scene, location, appearance) {
  if (scene.objects.length >= MOST_OBJECTS) throw new InputError(`A scene can have at most ${MOST_OBJECTS} objects.`);
  const object = makeObject([clamp(location[0], scene.height), clamp(location[1], scene.width)], appearance);
  return { ...scene, objects: [...scene.objects, object] };
}

/** Two objects in each other's places. */
export function swapped(scene, id, other) {
  const [first, second] = [find(scene, id), find(scene, other)];
  return moved(moved(scene, id, second.location), other, first.location);
}

export function restyled(scene, id, appearance) {
  if (find(scene, id).appearance === appearance) return scene;
  return withObject(scene, id, (object) => ({ ...object, appearance }));
}

/** One number of one field of an object's appearance. */
export function withLatent(scene, id, field, index, value) {
  const { appearance } = find(scene, id);
  return restyled(scene, id, { ...appearance, [field]: appearance[field].map((old, place) => (place === index ? value : old)) });
}

/**
 * Appearance between two objects': `share` 0 gives the first's, 1 the second's. Categories have nothing in between: they are
 * the nearer object's.
 */
export function blended(first, second, share, fields) {
  const between = (name) =>
    fields[name].categories
      ? (share < 0.5 ? first : second)[name]
      : first[name].map((value, place) => value + share * (second[name][place] - value));
  return Object.fromEntries(Object.keys(first).map((name) => [name, between(name)]));
}

export function find(scene, id) {
  return scene.objects.find((object) => object.id === id);
}

function withObject(scene, id, change) {
  return { ...scene, objects: scene.objects.map((object) => (object.id === id ? change(object) : object)) };
}

// Files.

/** A scene as the body of a request to the decoder, as docs/serving.md has it. */
export function requestOf(scene, fields) {
  const inputs = decoderInputs([scene], fields);
  const nested = Object.entries(inputs).map(([name, { dims, data }]) => [name, nest(Array.from(data), dims)]);
  return { signature_name: 'resized', inputs: Object.fromEntries(nested) };
}

function nest(values, dims) {
  if (dims.length <= 1) return values;
  const size = values.length / dims[0];
  return Array.from({ length: dims[0] }, (_, row) => nest(values.slice(row * size, (row + 1) * size), dims.slice(1)));
}

/** The scene in a saved request; throws an InputError that says what is wrong with another file. */
export function sceneOfRequest(text, fields, largestSide) {
  let inputs;
  try {
    ({ inputs } = JSON.parse(text));
  } catch {
    throw new InputError('This file is not JSON: open a scene that was saved here.');
  }
  const names = ['image_size', ...Object.keys(fields)];
  const missing = names.find((name) => !Array.isArray(inputs?.[name]));
  if (missing) throw new InputError(`This file has no "inputs" with "${missing}": it is of another model, or no scene.`);
  const [height, width] = shaped('image_size', inputs.image_size, [1, 2]);
  if (![height, width].every((side) => Number.isInteger(side) && side >= 8 && side <= largestSide)) {
    throw new InputError(`"image_size" must be two whole numbers from 8 to ${largestSide}.`);
  }
  const slots = inputs[PRESENCE][0]?.length ?? 0;
  if (slots < 1 || slots > MOST_OBJECTS) throw new InputError(`A scene here has 1 to ${MOST_OBJECTS} objects; "presence" has ${slots}.`);
  const tensors = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => {
      const dims = [1, ...(field.byObject ? [slots] : []), ...field.shape];
      return [name, { dims, data: Float64Array.from(shaped(name, inputs[name], dims, field.categories)) }];
    }),
  );
  const [scene] = scenesOf(tensors, fields, height, width);
  const outside = scene.objects.some(({ location: [y, x] }) => y < 0 || x < 0 || y > height - 1 || x > width - 1);
  if (outside) throw new InputError('"locations" must lie in the picture.');
  return scene;
}

/** The values of nested lists of a shape, flattened. */
function shaped(name, value, dims, categories = null) {
  const refuse = (reason) => {
    throw new InputError(`"${name}" must ${reason}.`);
  };
  const flat = (part, [length, ...rest]) => {
    if (!Array.isArray(part) || part.length !== length) refuse(`have the shape ${dims}`);
    return rest.length ? part.flatMap((each) => flat(each, rest)) : part;
  };
  const values = flat(value, dims);
  const isNumber = categories
    ? (each) => Number.isInteger(each) && each >= 0 && each < categories
    : (each) => Number.isFinite(each) && Number.isFinite(Math.fround(each));
  if (values.every(isNumber)) return values;
  return refuse(categories ? `hold whole numbers from 0 to ${categories - 1}` : 'hold numbers of 32 bits');
}
