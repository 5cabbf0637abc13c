/** Pictures as arrays: {height, width, channels, data}, values from 0 to 1, row by row, channels last. */

/** For drawing on a canvas. */
export function toImageData({ height, width, channels, data }) {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    for (let color = 0; color < 3; color += 1) {
      image.data[4 * pixel + color] = Math.round(255 * data[channels * pixel + (channels === 3 ? color : 0)]);
    }
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

/** From what a canvas holds: colours, or how bright they are (ITU-R 601), as Pillow's mode L. */
export function fromImageData({ height, width, data: bytes }, channels) {
  const data = new Float32Array(height * width * channels);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    const [red, green, blue] = bytes.subarray(4 * pixel, 4 * pixel + 3);
    if (channels === 3) data.set([red / 255, green / 255, blue / 255], 3 * pixel);
    else data[pixel] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  }
  return { height, width, channels, data };
}

/** A batch of pictures of one size, one by one. */
export function unbatched({ dims: [batch, height, width, channels], data }) {
  const size = height * width * channels;
  return Array.from({ length: batch }, (_, row) => ({
    height,
    width,
    channels,
    data: data.slice(row * size, (row + 1) * size),
  }));
}

/** How far two pictures of one size are apart, in each value. */
export function difference(first, second) {
  return { ...first, data: first.data.map((value, index) => Math.abs(value - second.data[index])) };
}

/**
 * What an object alone in its picture takes up: [top, left, bottom, right] in pixels, around all that is brighter than
 * half of its brightest pixel, as the encoder's boxes; null if nothing shows.
 */
export function extent({ height, width, channels, data }) {
  const peak = data.reduce((most, value) => Math.max(most, value), 0);
  if (!(peak >= 0.05)) return null;
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const first = channels * (y * width + x);
      if (data.subarray(first, first + channels).some((value) => value > peak / 2)) {
        [top, left] = [Math.min(top, y), Math.min(left, x)];
        [bottom, right] = [Math.max(bottom, y + 1), Math.max(right, x + 1)];
      }
    }
  }
  return [top, left, bottom, right];
}
