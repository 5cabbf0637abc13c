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

/** What a canvas shows, as a picture in text, to be compared. */
function drawn(page, selector = '#stage') {
  return page.$eval(`${selector} canvas`, (canvas) => canvas.toDataURL());
}

/** Where an object is, x and y, by its number in the list. */
async function objectAt(page, number) {
  const text = await page.textContent(`#objects li:nth-child(${number}) button`);
  return text.match(/at (\d+), (\d+)/).slice(1).map(Number);
}

async function onScreen(page, [x, y]) {
  const box = await page.locator('#stage').boundingBox();
  const scale = box.width / 64;
  return [box.x + (x + 0.5) * scale, box.y + (y + 0.5) * scale];
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
    await settled(page, 'Done again');
    assert.ok((await drawn(page)) === during);
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

  it('changes looks', async () => {
    const before = await drawn(page);
    await page.click('#swap');
    await settled(page, 'Swapped');
    const swapped = await drawn(page);
    assert.notDeepEqual(swapped, before);
    await page.click('#take-looks');
    await settled(page, 'Looks taken over');
    await page.click('#undo');
    await page.locator('#blend').fill('0.5');
    await settled(page, 'Blended');
    assert.ok((await drawn(page)) !== swapped);
    await page.click('#new-looks');
    await settled(page, 'New looks');
    await page.click('#latents-panel summary');
    await page.waitForSelector('#latents input');
    const sliders = page.locator('#latents input');
    assert.equal(await sliders.count(), 32);
    const sprite = () => page.$eval('#sprite', (canvas) => canvas.toDataURL());
    const sprites = new Set([await sprite()]);
    for (let index = 0; index < 6; index += 1) {
      await sliders.nth(index).fill('3');
      await settled(page, `appearance ${index + 1} changed`.replace('a', 'A'));
      sprites.add(await sprite());
    }
    assert.ok(sprites.size > 3, `${sprites.size} different sprites`);
  });

  it('sees the edited scene again', async () => {
    await openSample(page, 4);
    await page.click('#delete');
    await settled(page, 'Deleted');
    const edited = await count(page);
    await page.click('#infer-again');
    await settled(page, 'The model sees');
    assert.match(await page.textContent('#again-count'), new RegExp(`^${edited} object`));
    const [again, edit] = [await drawn(page, '#again-picture'), await drawn(page)];
    assert.ok(again.length > edit.length / 2, 'the scene that was seen again is drawn');
  });

  it('does by keyboard what the mouse does', async () => {
    await page.locator('#stage').focus();
    const [x, y] = await objectAt(page, 1);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Shift+ArrowDown');
    await page.waitForFunction((text) => document.querySelector('#objects button').textContent.includes(text), `at ${x + 1}, ${y + 5}`);
    await page.keyboard.press('PageDown');
    assert.equal(await page.getAttribute('#objects li:nth-child(2) button', 'aria-pressed'), 'true');
    await page.keyboard.press('Delete');
    await settled(page, 'Deleted; 2 objects.');
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
      ['#file', 'broken.png', 'no picture', 'broken.png cannot be read as a picture: use PNG, JPEG, GIF, BMP or WebP.'],
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
    for (let draw = 0; draw < 8; draw += 1) {
      await page.click('#draw');
      await settled(page, 'Drawn from the prior');
      seen.add(await drawn(page));
    }
    assert.ok(seen.size > 3, `${seen.size} different scenes`);
  });

  it('shows the card of the model', async () => {
    await page.click('#about-button');
    await page.waitForSelector('#about[open]');
    assert.match(await page.textContent('#card'), /LAVAE infers the number of objects/);
    assert.ok((await page.locator('#card table').count()) > 0);
    await page.keyboard.press('Escape');
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
    await page.screenshot({ path: 'test/screenshots/nuclei.png', fullPage: true });
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
