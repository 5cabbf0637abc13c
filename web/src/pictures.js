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
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' });
  } catch {
    throw new InputError(`${name} cannot be read as a picture: use PNG, JPEG, GIF, BMP or WebP.`);
  }
  const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
  const [height, width] = [bitmap.height, bitmap.width].map((side) => Math.round(side * scale));
  if (Math.min(height, width) < 8) throw new InputError(`${name} is too narrow: each side must have 8 pixels or more.`);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'black';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  const picture = fromImageData(context.getImageData(0, 0, width, height), channels);
  return { ...picture, name, original: [bitmap.height, bitmap.width] };
}
