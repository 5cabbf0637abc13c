/**
 * Runs ONNX models beside the page, so that it stays responsive.
 *
 * A message {id, url, inputs} is answered with {id, outputs} or {id, error}; tensors are {type, dims, data} by name.
 */

import * as ort from 'onnxruntime-web/wasm';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';

// More threads need headers that many static hosts do not send.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm };

const sessions = new Map();
let queue = Promise.resolve();

self.onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};

async function answer({ id, url, inputs }) {
  try {
    self.postMessage({ id, outputs: await run(url, inputs) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
}

async function run(url, inputs) {
  if (!sessions.has(url)) sessions.set(url, await ort.InferenceSession.create(url));
  const session = sessions.get(url);
  const tensors = session.inputNames.map((name) => {
    const { type, data, dims } = inputs[name];
    return [name, new ort.Tensor(type, data, dims)];
  });
  const outputs = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(Object.entries(outputs).map(([name, { type, dims, data }]) => [name, { type, dims, data }]));
}
