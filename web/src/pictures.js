/** Pictures that a person picks or drops. */

import { InputError } from './errors.js';
import { fromImageData } from './pixels.js';

const MOST_BYTES = 64 * 2 ** 20;

/**
 * Reads a picture and scales it down to a longest side; transparent parts are black.
 *
 * @param {Blob} file What the person gave.
 * @param {number} channels 3 for colours, 1 for how bright they are.
 * @param {number} longestSide In pixels; smaller pictures stay as they are.
 * @returns The picture, with `original`, its size before: [height, width].
 */
export async function readPicture(file, channels, longestSide) {
  const name = file.name ?? 'This picture';
  if (file.size > MOST_BYTES) throw new InputError(`${name} is larger than 64 MB.`);
  if (await hasManyBits(file)) {
    throw new InputError(
      `${name} has 16 bits a colour, of which a browser keeps 8: save it with 8 bits and its contrast stretched, or ` +
        'use --mode=predict.',
    );
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' });
  } catch {
    throw new InputError(`${name} cannot be read as a picture, or has too many pixels: use PNG, JPEG, GIF, BMP or WebP.`);
  }
  const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
  const [height, width] = [bitmap.height, bitmap.width].map((side) => Math.round(side * scale));
  if (Math.min(height, width) < 8) {
    throw new InputError(`${name} would be ${width} x ${height} pixels, but needs 8 a side: choose a longer side.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'black';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  const original = [bitmap.height, bitmap.width];
  bitmap.close();
  const picture = fromImageData(context.getImageData(0, 0, width, height), channels);
  return { ...picture, name, original };
}

/** Whether a file is a PNG of 16 bits, which its header says. */
async function hasManyBits(file) {
  const header = new Uint8Array(await file.slice(0, 25).arrayBuffer());
  const isPng = [0x89, 0x50, 0x4e, 0x47].every((byte, index) => header[index] === byte);
  return isPng && header[24] === 16;
}
