/** The view of photographs: how many objects there are, their outlines and a table of them. */

import { COLUMNS, csv, measured, outlines } from './masks.js';
import { counted, element, make, save, savePicture, say, show, sizeOf } from './page.js';
import { toImageData } from './pixels.js';

const OUTLINE = [255, 64, 128];

export class Counter {
  #picture = null;
  #objects = [];

  constructor() {
    element('save-table').addEventListener('click', () => {
      save(`${stem(this.#picture.name)}-objects.csv`, new Blob([csv(this.#picture.name, this.#objects)], { type: 'text/csv' }));
    });
    element('save-outlined').addEventListener('click', () => {
      savePicture(`${stem(this.#picture.name)}-outlines.png`, element('outlined'));
    });
  }

  /** Shows a picture and the objects in it, given the object that each pixel belongs to. */
  open(picture, masks) {
    this.#picture = picture;
    this.#objects = measured(masks, picture.height, picture.width);
    this.#showOutlines(masks);
    this.#showTable();
    show('found-count', String(this.#objects.length));
    element('found-note').textContent = `${picture.name}, ${sizeOf(picture)}; positions and areas are in these pixels`;
    element('counter').hidden = false;
    say(`${counted(this.#objects.length)} found.`);
  }

  #showOutlines(masks) {
    const { height, width } = this.#picture;
    const image = toImageData(this.#picture);
    outlines(masks, height, width).forEach((edge, pixel) => {
      if (edge) image.data.set(OUTLINE, 4 * pixel);
    });
    const canvas = element('outlined');
    [canvas.height, canvas.width] = [height, width];
    canvas.getContext('2d').putImageData(image, 0, 0);
  }

  #showTable() {
    const head = make('tr', {}, ...COLUMNS.map((name) => make('th', { scope: 'col', textContent: name })));
    const rows = this.#objects.map((object) =>
      make('tr', {}, ...COLUMNS.map((name) => make('td', { textContent: +object[name].toFixed(1) }))),
    );
    element('table').replaceChildren(make('thead', {}, head), make('tbody', {}, ...rows));
  }
}

function stem(name) {
  return name.replace(/\.[^.]*$/, '');
}
