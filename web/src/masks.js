/** Masks of a picture: for each pixel 0, or the number of the object that it belongs to. */

/** Whether each pixel is on the edge of an object: of its own pixels, those beside one of another's. */
export function outlines(masks, height, width) {
  const edge = new Uint8Array(height * width);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const own = masks[y * width + x];
      const same = (row, column) =>
        row >= 0 && column >= 0 && row < height && column < width && masks[row * width + column] === own;
      edge[y * width + x] = own > 0 && !(same(y - 1, x) && same(y + 1, x) && same(y, x - 1) && same(y, x + 1));
    }
  }
  return edge;
}

/**
 * What `objects.csv` of --mode=predict has of each object, in pixels: its number, the centre of its pixels, the box
 * around them, where the largest numbers are just outside, and how many they are.
 */
export function measured(masks, height, width) {
  const objects = new Map();
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const label = masks[y * width + x];
      if (!label) continue;
      if (!objects.has(label)) {
        objects.set(label, { y: 0, x: 0, ymin: height, xmin: width, ymax: 0, xmax: 0, area: 0 });
      }
      const object = objects.get(label);
      object.y += y;
      object.x += x;
      object.area += 1;
      [object.ymin, object.xmin] = [Math.min(object.ymin, y), Math.min(object.xmin, x)];
      [object.ymax, object.xmax] = [Math.max(object.ymax, y + 1), Math.max(object.xmax, x + 1)];
    }
  }
  return [...objects.keys()]
    .sort((first, second) => first - second)
    .map((label, index) => {
      const object = objects.get(label);
      return { object: index + 1, ...object, y: object.y / object.area, x: object.x / object.area };
    });
}

/** The columns of a table of objects. */
export const COLUMNS = ['object', 'y', 'x', 'ymin', 'xmin', 'ymax', 'xmax', 'area'];

/** The table as text, with the columns of `objects.csv`. */
export function csv(file, objects) {
  const quoted = /[",\n]/.test(file) ? `"${file.replaceAll('"', '""')}"` : file;
  const rows = objects.map((object) => [quoted, ...COLUMNS.map((name) => +object[name].toFixed(3))]);
  return [['file', ...COLUMNS], ...rows].map((row) => `${row.join(',')}\n`).join('');
}
