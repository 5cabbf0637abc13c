import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Latest } from '../src/latest.js';
import { csv, measured, outlines } from '../src/masks.js';
import { difference, extent, fromImageData, unbatched } from '../src/pixels.js';

describe('pictures', () => {
  it('are the colours of a canvas, or how bright they are', () => {
    const canvas = { height: 1, width: 2, data: Uint8ClampedArray.of(255, 0, 51, 255, 10, 20, 30, 255) };
    const close = (values, wanted) => values.forEach((value, index) => assert.ok(Math.abs(value - wanted[index]) < 1e-6));
    close(fromImageData(canvas, 3).data, [1, 0, 0.2, 10 / 255, 20 / 255, 30 / 255]);
    // 0.299 * 255 + 0.114 * 51 = 82.059; 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15.
    close(fromImageData(canvas, 1).data, [82 / 255, 18 / 255]);
  });

  it('come in batches', () => {
    const batch = unbatched({ dims: [2, 1, 2, 1], data: Float32Array.of(1, 2, 3, 4) });
    assert.deepEqual(batch.map(({ data }) => [...data]), [[1, 2], [3, 4]]);
  });

  it('differ by value', () => {
    const picture = (data) => ({ height: 1, width: 2, channels: 1, data: Float32Array.from(data) });
    assert.deepEqual([...difference(picture([1, 0.25]), picture([0.5, 0.5])).data], [0.5, 0.25]);
  });

  it('have an extent above half of their peak', () => {
    const data = new Float32Array(5 * 6);
    data.set([0.4, 0.8, 0.5], 1 * 6 + 2); // In row 1: 0.4 is half of the peak, not above it.
    data[3 * 6 + 3] = 0.6;
    assert.deepEqual(extent({ height: 5, width: 6, channels: 1, data }), [1, 3, 4, 5]);
    assert.equal(extent({ height: 1, width: 2, channels: 1, data: Float32Array.of(0.01, 0) }), null);
  });
});

describe('masks', () => {
  const MASKS = [
    [0, 1, 1, 1, 0],
    [0, 1, 1, 1, 3],
    [0, 1, 1, 1, 3],
  ];

  it('are outlined where an object meets another, the background or the margin', () => {
    const edge = outlines(MASKS.flat(), 3, 5);
    assert.deepEqual([...edge].map((value, index) => value * (index + 1)).filter(Boolean), [2, 3, 4, 7, 9, 10, 12, 13, 14, 15]);
  });

  it('are measured as tables of predictions are', () => {
    assert.deepEqual(measured(MASKS.flat(), 3, 5), [
      { object: 1, y: 1, x: 2, ymin: 0, xmin: 1, ymax: 3, xmax: 4, area: 9 },
      { object: 2, y: 1.5, x: 4, ymin: 1, xmin: 4, ymax: 3, xmax: 5, area: 2 },
    ]);
  });

  it('make a table', () => {
    const text = csv('my, picture.png', measured(MASKS.flat(), 3, 5));
    const lines = text.trimEnd().split('\n');
    assert.equal(lines[0], 'file,object,y,x,ymin,xmin,ymax,xmax,area');
    assert.equal(lines[2], '"my, picture.png",2,1.5,4,1,4,3,5,2');
  });
});

describe('the latest', () => {
  it('is done after the running one, without those between', async () => {
    const [done, latest] = [[], new Latest()];
    const slow = (name) => async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      done.push(name);
    };
    const first = latest.run(slow('first'));
    latest.run(slow('second'));
    await latest.run(slow('third'));
    await first;
    assert.deepEqual(done, ['first', 'third']);
    await latest.run(slow('fourth'));
    assert.deepEqual(done, ['first', 'third', 'fourth']);
  });
});
