/** The exported models, as the page calls them. */

import { InputError } from './errors.js';
import { get } from './page.js';
import { decoderInputs, scenesOf } from './scene.js';
import { unbatched } from './pixels.js';

// Scenes to draw for one object.
const MOST_TRIES = 20;

/** The list of models that the page was built with, see tools/page_models.py. */
export async function listModels() {
  const { models } = await (await get('models/models.json')).json();
  return models;
}

/** Answers of the worker in which all models run. */
class ModelWorker {
  #worker = new Worker(new URL('./inference-worker.js', import.meta.url), { type: 'module' });
  #waiting = new Map();
  #last = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { id, outputs, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(outputs);
    };
    this.#worker.onerror = () => {
      for (const { reject } of this.#waiting.values()) {
        reject(new InputError('A file of this page is missing, or this browser is too old to run the model.'));
      }
      this.#waiting.clear();
    };
  }

  run(url, inputs) {
    this.#last += 1;
    this.#worker.postMessage({ id: this.#last, url, inputs });
    return new Promise((resolve, reject) => this.#waiting.set(this.#last, { resolve, reject }));
  }
}

const worker = new ModelWorker();

/** One model: from pictures to scenes and back. */
export class Model {
  constructor(entry) {
    this.entry = entry;
    this.fields = entry.fields;
  }

  /** Where a file of the model is. */
  url(file) {
    return new URL(`models/${encodeURIComponent(this.entry.name)}/${file}`, document.baseURI).href;
  }

  /** The most likely scene in a picture. */
  async encode(picture) {
    const outputs = await worker.run(this.url('encoder/serving_default.onnx'), { images: batchOfOne(picture) });
    return scenesOf(outputs, this.fields, picture.height, picture.width)[0];
  }

  /** The object that each pixel of a picture belongs to: Int32Array, 0 for the background. */
  async segment(picture) {
    const outputs = await worker.run(this.url('encoder/segmented.onnx'), { images: batchOfOne(picture) });
    return outputs.masks.data;
  }

  /** The pictures of scenes of one size. */
  async decode(scenes) {
    const outputs = await worker.run(this.url('decoder/resized.onnx'), decoderInputs(scenes, this.fields));
    return unbatched(outputs.images);
  }

  /** A scene from the prior; every call draws another one. */
  async sample(height, width) {
    const outputs = await worker.run(this.url('decoder/sampled.onnx'), {
      seed: { type: 'int32', dims: [1], data: Int32Array.of(0) },
      image_size: { type: 'int32', dims: [1, 2], data: Int32Array.of(height, width) },
    });
    return scenesOf(outputs, this.fields, height, width)[0];
  }

  /** An object's appearance from the prior. */
  async sampleAppearance(height, width) {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { objects } = await this.sample(height, width);
      if (objects.length) return objects[0].appearance;
    }
    throw new InputError(`Of ${MOST_TRIES} scenes that the model drew, none has an object: its prior is of empty scenes.`);
  }
}

function batchOfOne({ height, width, channels, data }) {
  return { type: 'float32', dims: [1, height, width, channels], data };
}
