/** The page as a person uses it, with the shipped models: npm test. Screenshots go to test/screenshots. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';
import { barriers, openPage, serve, startBrowser } from './browser.js';

let browser, server;
before(async () => {
  [server, browser] = [await serve(), await startBrowser()];
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Waits for the stages, which are painted with the next frame of the browser. */
function painted(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** What a canvas shows, as a picture in text, to be compared. */
async function drawn(page, selector = '#stage') {
  await painted(page);
  return page.$eval(`${selector} canvas`, (canvas) => canvas.toDataURL());
}

/** Where an object is, x and y, by its number in the list. */
async function objectAt(page, number) {
  const text = await page.textContent(`#objects li:nth-child(${number}) button`);
  return text.match(/at (\d+), (\d+)/).slice(1).map(Number);
}

/** Waits until the list has an object at a place, x and y. */
async function listed(page, number, [x, y]) {
  await page.waitForFunction(
    ([number, place]) =>
      document.querySelector(`#objects li:nth-child(${number}) button`)?.textContent.includes(`at ${place}`),
    [number, `${x}, ${y}`],
  );
}

async function onScreen(page, [x, y]) {
  const box = await page.locator('#stage').boundingBox();
  const scale = box.width / 64;
  return [box.x + (x + 0.5) * scale, box.y + (y + 0.5) * scale];
}

/** A picture of a few squares as a file. */
async function pictureFile(page, width, height) {
  const bytes = await page.evaluate(
    async ([width, height]) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext('2d');
      context.fillRect(0, 0, width, height);
      context.fillStyle = 'lime';
      for (const x of [0.2, 0.6]) context.fillRect(x * width, 0.4 * height, 40, 40);
      return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    },
    [width, height],
  );
  return { name: 'squares.png', mimeType: 'image/png', buffer: Buffer.from(bytes) };
}

async function count(page) {
  return Number.parseInt(await page.textContent('#count'), 10);
}

async function settled(page, text) {
  await page.waitForFunction(
    (wanted) => document.querySelector('#status').textContent.includes(wanted) && document.querySelector('#busy').hidden,
    text,
  );
}

async function openSample(page, index) {
  await page.locator('#samples button').nth(index).click();
  await settled(page, 'found.');
}

async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
  return { name: download.suggestedFilename(), path: await download.path() };
}

describe('scenes of shapes', () => {
  let page, context, complaints;
  beforeEach(async () => {
    ({ page, context, complaints } = await openPage(browser, server.url));
    await settled(page, '3 objects found.');
  });
  afterEach(async (test) => {
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: `test/screenshots/${test.name.replaceAll(/\W+/g, '_')}.png`, fullPage: true });
    await context.close();
    assert.deepEqual(complaints, []);
  });

  it('finds as many objects as there are in each sample', async () => {
    const names = await page.locator('#samples button').evaluateAll((all) => all.map(({ title }) => title));
    for (const [index, name] of names.entries()) {
      await openSample(page, index);
      assert.equal(await count(page), Number(name.match(/(\d+) object/)[1]), name);
    }
  });

  it('draws the scene again while an object is dragged', async (test) => {
    const [x, y] = await objectAt(page, 3);
    const before = await drawn(page);
    await page.mouse.move(...(await onScreen(page, [x, y])));
    await page.mouse.down();
    await page.mouse.move(...(await onScreen(page, [x + 10, y + 6])), { steps: 5 });
    // A busy browser handles the last movement only after the mouse has stopped.
    await listed(page, 3, [x + 10, y + 6]);
    await page.waitForFunction(() => document.querySelector('#busy').hidden);
    const during = await drawn(page);
    test.diagnostic(`drawn again in ${await page.getAttribute('#speed', 'data-milliseconds')} ms`);
    assert.ok(during !== before);
    await page.mouse.up();
    await settled(page, 'Moved; 3 objects.');
    assert.deepEqual(await objectAt(page, 3), [x + 10, y + 6]);
    assert.ok((await drawn(page)) === during);
    await page.click('#undo');
    await settled(page, 'Undone');
    assert.ok((await drawn(page)) === before);
    assert.deepEqual(await objectAt(page, 3), [x, y]);
    await page.keyboard.press('Control+Shift+Z');
    await settled(page, 'Redone');
    assert.ok((await drawn(page)) === during);
  });

  it('keeps what is undone during a drag undone', async () => {
    const before = await drawn(page);
    await page.click('#duplicate');
    await settled(page, 'Duplicated; 4 objects.');
    await page.mouse.move(...(await onScreen(page, await objectAt(page, 4))));
    await page.mouse.down();
    await page.mouse.move(...(await onScreen(page, [40, 40])), { steps: 4 });
    await page.keyboard.press('Control+Z');
    await settled(page, 'Undone; 3 objects.');
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector('#busy').hidden);
    assert.equal(await count(page), 3);
    assert.ok((await drawn(page)) === before);
    assert.ok(await page.isEnabled('#redo'));
  });

  it('deletes, duplicates and adds objects', async () => {
    const before = await drawn(page);
    await page.click('#delete');
    await settled(page, 'Deleted; 2 objects.');
    assert.ok((await drawn(page)) !== before);
    await page.click('#duplicate');
    await settled(page, 'Duplicated; 3 objects.');
    await page.click('#add');
    await page.mouse.click(...(await onScreen(page, [40, 10])));
    await settled(page, 'Added; 4 objects.');
    assert.deepEqual(await objectAt(page, 4), [40, 10]);
    await page.click('#add-middle');
    await settled(page, 'Added; 5 objects.');
    for (let step = 0; step < 4; step += 1) await page.click('#undo');
    await settled(page, 'Undone; 3 objects.');
    assert.ok((await drawn(page)) === before);
  });

  it('changes appearance', async () => {
    const before = await drawn(page);
    await page.click('#swap');
    await settled(page, 'Swapped');
    const swapped = await drawn(page);
    assert.ok(swapped !== before);
    await page.click('#take-appearance');
    await settled(page, 'Appearance taken over');
    const taken = await drawn(page);
    assert.ok(taken !== swapped);
    await page.click('#undo');
    await settled(page, 'Undone');
    assert.ok((await drawn(page)) === swapped);
    await page.click('#new-appearance');
    await settled(page, 'New appearance');
    assert.ok((await drawn(page)) !== swapped);
  });

  it('blends two objects, by keys as well, in one step', async () => {
    const before = await drawn(page);
    await page.click('#take-appearance');
    await settled(page, 'Appearance taken over');
    const taken = await drawn(page);
    await page.click('#undo');
    await settled(page, 'Undone');
    await page.locator('#blend').fill('0.5');
    await settled(page, 'Blended');
    const half = await drawn(page);
    assert.ok(half !== before && half !== taken);
    await page.locator('#blend').focus();
    for (let press = 0; press < 3; press += 1) await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.querySelector('#busy').hidden);
    assert.equal(await page.inputValue('#blend'), '0.53');
    assert.ok((await drawn(page)) !== half);
    await page.keyboard.press('End');
    await page.waitForFunction(() => document.querySelector('#busy').hidden);
    assert.ok((await drawn(page)) === taken);
    await page.click('#undo');
    await settled(page, 'Undone');
    assert.ok((await drawn(page)) === before);
    assert.equal(await page.inputValue('#blend'), '0');
  });

  it('fine-tunes the appearance', async () => {
    await page.click('#latents-panel summary');
    await page.waitForSelector('#latents input');
    const sliders = page.locator('#latents input');
    assert.equal(await sliders.count(), 32);
    const sprite = () => page.$eval('#sprite', (canvas) => canvas.toDataURL());
    const sprites = new Set([await sprite()]);
    const first = await sliders.first().inputValue();
    for (let index = 0; index < 6; index += 1) {
      await sliders.nth(index).fill('3');
      await settled(page, `Appearance ${index + 1} changed`);
      sprites.add(await sprite());
    }
    assert.ok(sprites.size > 3, `${sprites.size} different sprites`);
    for (let step = 0; step < 6; step += 1) await page.keyboard.press('Control+Z');
    await page.waitForFunction((value) => document.querySelector('#latents input').value === value, first);
  });

  it('sees the edited scene again', async () => {
    await openSample(page, 4);
    await page.click('#delete');
    await settled(page, 'Deleted');
    const edited = await count(page);
    await page.click('#infer-again');
    await settled(page, 'The model sees');
    assert.match(await page.textContent('#again-count'), new RegExp(`^${edited} object`));
    const note = await page.textContent('#again-note');
    assert.ok(Number(note.match(/none farther than ([\d.]+) pixels/)[1]) < 2, note);
    // The difference is there, and smaller than the scene.
    const brightness = (selector) =>
      page.$eval(selector, (canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.reduce((sum, value, index) => sum + (index % 4 < 3 ? value : 0), 0) / data.length;
      });
    await painted(page);
    const [difference, seen] = [await brightness('#again-difference'), await brightness('#again-picture canvas')];
    assert.ok(difference > 0 && difference < seen / 10, `${difference} of ${seen}`);
  });

  it('draws what was edited just before it is seen again', async () => {
    await openSample(page, 4);
    const before = await count(page);
    await page.evaluate(() => ['#delete', '#infer-again'].forEach((button) => document.querySelector(button).click()));
    await settled(page, 'The model sees');
    assert.equal(await page.textContent('#again-count'), `${before - 1} objects`);
  });

  it('does by keyboard what the mouse does', async () => {
    await page.locator('#stage').focus();
    const [x, y] = await objectAt(page, 1);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('ArrowUp');
    await listed(page, 1, [x + 1, y + 4]);
    // They are one step.
    await page.keyboard.press('Control+Z');
    await listed(page, 1, [x, y]);
    const isSelected = (number) => page.getAttribute(`#objects li:nth-child(${number}) button`, 'aria-pressed');
    await page.keyboard.press('PageDown');
    assert.equal(await isSelected(2), 'true');
    await page.keyboard.press('PageUp');
    assert.equal(await isSelected(1), 'true');
    await page.keyboard.press('PageDown');
    await page.keyboard.press('Delete');
    await settled(page, 'Deleted; 2 objects.');
    // A button by the tabulator and Enter, and the end of adding by Escape.
    await page.locator('#delete').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await settled(page, 'Duplicated; 3 objects.');
    await page.locator('#add').focus();
    await page.keyboard.press('Space');
    assert.equal(await page.getAttribute('#add', 'aria-pressed'), 'true');
    await page.keyboard.press('Escape');
    assert.equal(await page.getAttribute('#add', 'aria-pressed'), 'false');
    // Everything else is a control that the tabulator reaches.
    const unreachable = await page.$$eval('#editor button, #editor select, #editor input', (all) =>
      all.filter((each) => each.tabIndex < 0 || !(each.textContent.trim() || each.labels?.length)).map(({ id }) => id),
    );
    assert.deepEqual(unreachable, []);
    await page.click('#latents-panel summary');
    await page.waitForSelector('#latents input');
    assert.deepEqual(await barriers(page), []);
  });

  it('saves a scene and loads it again', async () => {
    const before = await drawn(page);
    const scene = await saved(page, '#save-scene');
    assert.equal(scene.name, 'lavae-scene.json');
    const request = JSON.parse(await readFile(scene.path, 'utf8'));
    assert.deepEqual(Object.keys(request.inputs).sort(), ['appearance', 'image_size', 'locations', 'presence']);
    assert.deepEqual(request.inputs.presence, [[1, 1, 1]]);
    const picture = await saved(page, '#save-picture');
    assert.equal((await readFile(picture.path)).subarray(1, 4).toString(), 'PNG');
    await openSample(page, 1);
    await page.setInputFiles('#scene-file', scene.path);
    await settled(page, 'Loaded; 3 objects.');
    assert.ok((await drawn(page)) === before);
  });

  it('says what is wrong with a file, and keeps the scene', async () => {
    const before = await drawn(page);
    const folder = await mkdtemp(join(tmpdir(), 'page-'));
    const wrong = [
      ['#file', 'broken.png', 'no picture', 'broken.png cannot be read as a picture, or has too many pixels: use PNG'],
      ['#scene-file', 'broken.json', '{', 'This file is not JSON'],
      ['#scene-file', 'other.json', '{"inputs": {"image_size": [[64, 64]]}}', 'This file has no "inputs" with "presence"'],
    ];
    for (const [input, name, text, message] of wrong) {
      await writeFile(join(folder, name), text);
      await page.setInputFiles(input, join(folder, name));
      await page.waitForFunction((wanted) => document.querySelector('#error').textContent.includes(wanted), message);
      assert.ok(await page.isVisible('#error'));
      assert.ok((await drawn(page)) === before);
    }
    // What a PNG of 16 bits begins with.
    const header = Buffer.from('89504e470d0a1a0a0000000d49484452000000400000004010', 'hex');
    await page.setInputFiles('#file', { name: 'deep.png', mimeType: 'image/png', buffer: header });
    await page.waitForFunction(() => document.querySelector('#error').textContent.includes('deep.png has 16 bits a colour'));
    await page.click('#delete');
    await settled(page, 'Deleted');
    assert.ok(!(await page.isVisible('#error')));
  });

  it('takes a dropped picture of another size', async () => {
    // Five squares on a picture of 200 x 150 pixels.
    const transfer = await page.evaluateHandle(async () => {
      const canvas = new OffscreenCanvas(200, 150);
      const context = canvas.getContext('2d');
      context.fillStyle = 'black';
      context.fillRect(0, 0, 200, 150);
      for (const [index, color] of ['red', 'lime', 'blue', 'white', 'yellow'].entries()) {
        context.fillStyle = color;
        context.fillRect(15 + 38 * index, 30 + 15 * (index % 3), 11, 11);
      }
      const transferred = new DataTransfer();
      transferred.items.add(new File([await canvas.convertToBlob()], 'mine.png', { type: 'image/png' }));
      return transferred;
    });
    await page.selectOption('#side', '256');
    await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
    await settled(page, '5 objects found.');
    assert.equal(await page.textContent('#given-note'), '200 x 150 pixels');
  });

  it('draws scenes from the prior', async () => {
    const seen = new Set();
    // Many scenes are empty, and look the same.
    for (let draw = 0; draw < 30 && seen.size < 4; draw += 1) {
      await page.click('#draw');
      await settled(page, 'A random scene');
      seen.add(await drawn(page));
    }
    assert.ok(seen.size > 3, `${seen.size} different scenes`);
  });

  it('shows the card of the model', async () => {
    await page.click('#about-button');
    await page.waitForSelector('#about[open]');
    assert.match(await page.textContent('#card'), /LAVAE infers the number of objects/);
    assert.ok((await page.locator('#card table').count()) > 0);
    await page.click('#about button');
    assert.ok(!(await page.isVisible('#about')));
  });

  it('scales a picture down, and again when another size is chosen', async () => {
    await page.setInputFiles('#file', await pictureFile(page, 300, 150));
    await settled(page, 'found.');
    assert.equal(await page.textContent('#given-note'), '64 x 32 pixels, scaled down from 300 x 150');
    await page.selectOption('#side', '128');
    await page.waitForFunction(() => document.querySelector('#given-note').textContent.startsWith('128 x 64 pixels'));
  });

  it('keeps to what was asked last', async () => {
    await page.evaluate(() => {
      const model = document.querySelector('#model');
      document.querySelector('#draw').click();
      for (const name of ['nuclei', 'lavae']) {
        model.value = name;
        model.dispatchEvent(new Event('change'));
      }
    });
    await settled(page, '3 objects found.');
    await page.waitForTimeout(1_000);
    assert.ok((await page.isVisible('#editor')) && !(await page.isVisible('#counter')));
    assert.ok(!(await page.isVisible('#error')));
    assert.equal(await count(page), 3);
  });
});

describe('photographs', () => {
  it('counts and outlines nuclei, and saves their table', async () => {
    const { page, context, complaints } = await openPage(browser, server.url);
    await settled(page, '3 objects found.');
    await page.selectOption('#model', 'nuclei');
    await settled(page, 'found.');
    await page.waitForSelector('#counter:not([hidden])', { timeout: 60_000 });
    const found = Number(await page.textContent('#found-count'));
    const labelled = Number((await page.getAttribute('#samples button', 'title')).match(/(\d+) object/)[1]);
    assert.ok(Math.abs(found - labelled) <= Math.max(3, 0.2 * labelled), `${found} found, ${labelled} labelled`);
    assert.equal(await page.locator('#table tbody tr').count(), found);
    const outlined = await page.$eval('#outlined', (canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let number = 0;
      for (let first = 0; first < data.length; first += 4) number += data[first] === 255 && data[first + 1] === 64;
      return number;
    });
    assert.ok(outlined > 10 * found, `${outlined} pixels outlined`);
    const table = await saved(page, '#save-table');
    const rows = (await readFile(table.path, 'utf8')).trim().split('\n');
    assert.equal(rows[0], 'file,object,y,x,ymin,xmin,ymax,xmax,area');
    assert.equal(rows.length, found + 1);
    const picture = await saved(page, '#save-outlined');
    assert.equal((await readFile(picture.path)).subarray(1, 4).toString(), 'PNG');
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: 'test/screenshots/nuclei.png', fullPage: true });
    const dropped = await page.evaluateHandle(async () => {
      const sample = document.querySelectorAll('#samples img')[1];
      const transfer = new DataTransfer();
      transfer.items.add(new File([await (await fetch(sample.src)).blob()], 'dropped.png', { type: 'image/png' }));
      return transfer;
    });
    await page.dispatchEvent('body', 'drop', { dataTransfer: dropped });
    await page.waitForFunction(() => document.querySelector('#found-note').textContent.startsWith('dropped.png'));
    const more = Number(await page.textContent('#found-count'));
    assert.equal(await page.locator('#table tbody tr').count(), more);
    assert.deepEqual(await barriers(page), []);
    // Back to scenes, whose controls are there again.
    await page.selectOption('#model', 'lavae');
    await settled(page, '3 objects found.');
    assert.ok((await page.isVisible('#editor')) && !(await page.isVisible('#counter')));
    await context.close();
    assert.deepEqual(complaints, []);
  });
});

describe('narrow and dark', () => {
  it('fits a window of 400 pixels', async () => {
    const options = { viewport: { width: 400, height: 800 }, colorScheme: 'dark', hasTouch: true };
    const { page, context, complaints } = await openPage(browser, server.url, options);
    await settled(page, '3 objects found.');
    await page.screenshot({ path: 'test/screenshots/narrow_and_dark.png', fullPage: true });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
    assert.deepEqual(await barriers(page), []);
    const background = await page.$eval('html', (node) => getComputedStyle(node).backgroundColor);
    assert.equal(background, 'rgb(22, 24, 28)');
    await context.close();
    assert.deepEqual(complaints, []);
  });
});
