import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InputError } from '../src/errors.js';
import { History } from '../src/history.js';
import * as scenes from '../src/scene.js';

const FIELDS = {
  presence: { byObject: true, shape: [], type: 'float32' },
  locations: { byObject: true, shape: [2], type: 'float32' },
  appearance: { byObject: true, shape: [3], type: 'float32' },
  category: { byObject: true, shape: [], type: 'int32', categories: 4 },
  levels: { byObject: false, shape: [2], type: 'float32' },
};

/** Two scenes as an encoder returns them: the first has objects in its slots 0 and 2, the second none. */
function described() {
  return {
    presence: { dims: [2, 3], data: Float32Array.of(1, 0, 1, 0, 0, 0) },
    locations: { dims: [2, 3, 2], data: Float32Array.of(5, 6, 0, 0, 7, 8, 0, 0, 0, 0, 0, 0) },
    appearance: { dims: [2, 3, 3], data: Float32Array.from({ length: 18 }, (_, index) => index) },
    category: { dims: [2, 3], data: Int32Array.of(3, 0, 1, 0, 0, 0) },
    levels: { dims: [2, 2], data: Float32Array.of(0.25, 0.5, 0.75, 1) },
  };
}

function example() {
  return scenes.scenesOf(described(), FIELDS, 20, 30)[0];
}

describe('scenes', () => {
  it('have the objects that are present', () => {
    const [scene, empty] = scenes.scenesOf(described(), FIELDS, 20, 30);
    assert.deepEqual(
      scene.objects.map(({ location, appearance }) => ({ location, ...appearance })),
      [
        { location: [5, 6], appearance: [0, 1, 2], category: [3] },
        { location: [7, 8], appearance: [6, 7, 8], category: [1] },
      ],
    );
    assert.deepEqual(scene.whole, { levels: [0.25, 0.5] });
    assert.deepEqual(empty.objects, []);
    assert.deepEqual(empty.whole, { levels: [0.75, 1] });
  });

  it('are what a decoder takes, with empty slots where a scene has fewer objects', () => {
    const inputs = scenes.decoderInputs(scenes.scenesOf(described(), FIELDS, 20, 30), FIELDS);
    assert.deepEqual(inputs.image_size, { type: 'int32', dims: [2, 2], data: Int32Array.of(20, 30, 20, 30) });
    assert.deepEqual(inputs.presence, { type: 'float32', dims: [2, 2], data: Float32Array.of(1, 1, 0, 0) });
    assert.deepEqual(inputs.locations.data, Float32Array.of(5, 6, 7, 8, 0, 0, 0, 0));
    assert.deepEqual(inputs.appearance.dims, [2, 2, 3]);
    assert.deepEqual(inputs.category, { type: 'int32', dims: [2, 2], data: Int32Array.of(3, 1, 0, 0) });
    assert.deepEqual(inputs.levels, { type: 'float32', dims: [2, 2], data: Float32Array.of(0.25, 0.5, 0.75, 1) });
    const [, empty] = scenes.scenesOf(described(), FIELDS, 20, 30);
    assert.deepEqual(scenes.decoderInputs([empty], FIELDS).presence.dims, [1, 1]);
  });

  it('are edited without a change to the scene before', () => {
    const scene = example();
    const kept = structuredClone(scene);
    const [first, second] = scene.objects;
    assert.deepEqual(scenes.moved(scene, first.id, [9.5, 2]).objects[0].location, [9.5, 2]);
    assert.deepEqual(scenes.moved(scene, first.id, [-4, 99]).objects[0].location, [0, 29]);
    assert.deepEqual(scenes.removed(scene, first.id).objects, [second]);
    assert.equal(scenes.moved(scene, first.id, first.location), scene);
    assert.equal(scenes.restyled(scene, first.id, first.appearance), scene);
    const swapped = scenes.swapped(scene, first.id, second.id).objects;
    assert.deepEqual(swapped.map(({ location }) => location), [[7, 8], [5, 6]]);
    assert.deepEqual(scenes.restyled(scene, first.id, second.appearance).objects[0].appearance, second.appearance);
    const changed = scenes.withLatent(scene, second.id, 'appearance', 1, -2).objects[1];
    assert.deepEqual(changed.appearance, { appearance: [6, -2, 8], category: [1] });
    const more = scenes.added(scene, [3, 4], first.appearance);
    assert.equal(more.objects.length, 3);
    assert.equal(new Set(more.objects.map(({ id }) => id)).size, 3);
    assert.deepEqual(scene, kept);
  });

  it('have appearance in between, but no categories in between', () => {
    const [first, second] = example().objects.map(({ appearance }) => appearance);
    assert.deepEqual(scenes.blended(first, second, 0, FIELDS), first);
    assert.deepEqual(scenes.blended(first, second, 1, FIELDS), second);
    assert.deepEqual(scenes.blended(first, second, 0.5, FIELDS), { appearance: [3, 4, 5], category: [1] });
  });

  it('have a largest number of objects', () => {
    let scene = example();
    while (scene.objects.length < scenes.MOST_OBJECTS) scene = scenes.added(scene, [1, 1], scene.objects[0].appearance);
    assert.throws(() => scenes.added(scene, [1, 1], scene.objects[0].appearance), InputError);
  });
});

describe('saved scenes', () => {
  const saved = () => scenes.requestOf(example(), FIELDS);

  it('are the body of a request to the decoder', () => {
    assert.deepEqual(saved(), {
      signature_name: 'resized',
      inputs: {
        image_size: [[20, 30]],
        presence: [[1, 1]],
        locations: [[[5, 6], [7, 8]]],
        appearance: [[[0, 1, 2], [6, 7, 8]]],
        category: [[3, 1]],
        levels: [[0.25, 0.5]],
      },
    });
  });

  it('come back as they were', () => {
    const scene = scenes.sceneOfRequest(JSON.stringify(saved()), FIELDS, 64);
    assert.deepEqual(scenes.requestOf(scene, FIELDS), saved());
    assert.equal(scene.height, 20);
  });

  const wrong = {
    'no JSON': ['{', /not JSON/],
    'no scene': ['[]', /no "inputs" with "image_size"/],
    'another model': [{ appearance: undefined }, /"appearance": it is of another model/],
    'another shape': [{ appearance: [[[0, 1], [2, 3]]] }, /"appearance" must have the shape 1,2,3/],
    'no numbers': [{ levels: [['a', 1]] }, /"levels" must hold numbers/],
    'numbers that are too large': [{ levels: [[1e300, 1]] }, /"levels" must hold numbers of 32 bits/],
    'no such category': [{ category: [[4, 1]] }, /"category" must hold whole numbers from 0 to 3/],
    'a size that is too large': [{ image_size: [[20, 65]] }, /whole numbers from 8 to 64/],
    'objects outside': [{ locations: [[[5, 6], [20, 8]]] }, /must lie in the picture/],
  };
  for (const [name, [change, message]] of Object.entries(wrong)) {
    it(`are refused: ${name}`, () => {
      const text = typeof change === 'string' ? change : JSON.stringify({ inputs: { ...saved().inputs, ...change } });
      assert.throws(() => scenes.sceneOfRequest(text, FIELDS, 64), (error) => error instanceof InputError && message.test(error.message));
    });
  }
});

describe('histories', () => {
  it('go back and forth, and forget what was undone once there is something new', () => {
    const history = new History(1);
    history.undo();
    assert.equal(history.present, 1);
    history.push(2);
    history.push(3);
    history.undo();
    history.undo();
    assert.deepEqual([history.present, history.canUndo, history.canRedo], [1, false, true]);
    history.redo();
    assert.equal(history.present, 2);
    history.push(4);
    assert.deepEqual([history.present, history.canRedo], [4, false]);
    history.undo();
    assert.equal(history.present, 2);
  });

  it('take the states of one gesture as one step', () => {
    const history = new History(0);
    history.push(1, 'slider');
    history.push(2, 'slider');
    history.push(3, 'another');
    history.push(4, 'another');
    history.undo();
    assert.equal(history.present, 2);
    history.push(5, 'another');
    history.undo();
    assert.equal(history.present, 2);
    history.undo();
    assert.deepEqual([history.present, history.canUndo], [0, false]);
  });
});
