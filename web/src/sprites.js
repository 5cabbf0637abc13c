/** What each object shows on its own. */

import { extent } from './pixels.js';

// Around an object that shows nothing, so that it can be taken hold of.
const NOTHING = [-3, -3, 4, 4];

/**
 * Pictures of objects, drawn alone in the middle of the scene, by their appearance; objects with the same appearance share one.
 */
export class Sprites {
  #byAppearance = new WeakMap();

  /** The sprite of an object that was drawn: {picture, extent: [top, left, bottom, right] from its location}. */
  of(object) {
    return this.#byAppearance.get(object.appearance);
  }

  /** Scenes of the objects that were not drawn yet, one each. */
  missing(scene) {
    const objects = new Map(scene.objects.filter(({ appearance }) => !this.#byAppearance.has(appearance)).map((each) => [each.appearance, each]));
    return [...objects.values()].map((object) => ({ ...scene, objects: [{ ...object, location: middle(scene) }] }));
  }

  /** Takes the picture of a scene that `missing` gave. */
  add(scene, picture) {
    const [{ appearance, location }] = scene.objects;
    const found = extent(picture);
    const from = found?.map((side, index) => side - location[index % 2]) ?? NOTHING;
    this.#byAppearance.set(appearance, { picture: cropped(picture, found ?? from.map((side, i) => side + location[i % 2])), extent: from });
  }
}

function middle({ height, width }) {
  return [Math.floor(height / 2), Math.floor(width / 2)];
}

/** A square part of a picture around a box, with a margin of 2 pixels, black outside the picture. */
function cropped({ height, width, channels, data }, [top, left, bottom, right]) {
  const side = Math.max(bottom - top, right - left) + 4;
  const [first, start] = [Math.round((top + bottom - side) / 2), Math.round((left + right - side) / 2)];
  const part = new Float32Array(side * side * channels);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const [row, column] = [first + y, start + x];
      if (row < 0 || column < 0 || row >= height || column >= width) continue;
      const place = channels * (row * width + column);
      part.set(data.subarray(place, place + channels), channels * (y * side + x));
    }
  }
  return { height: side, width: side, channels, data: part };
}
