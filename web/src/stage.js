/** A picture with a frame around each object, which can be dragged. */

import Konva from 'konva';
import { toImageData } from './pixels.js';

const COLORS = ['#4cc2ff', '#ffb000', '#5fe08a', '#ff7ab6', '#b79cff', '#ffe14d', '#ff8a5c', '#7df3e1'];

/** The colour of an object's frame. */
export function colorOf(id) {
  return COLORS[id % COLORS.length];
}

/** Draws a picture on a canvas at its own size; style sheets scale it. */
export function paint(canvas, picture) {
  [canvas.height, canvas.width] = [picture.height, picture.width];
  canvas.getContext('2d').putImageData(toImageData(picture), 0, 0);
}

export class Stage {
  #stage;
  #image = new Konva.Image({ imageSmoothingEnabled: false, image: undefined });
  #frames = new Konva.Layer({ imageSmoothingEnabled: false });
  #byId = new Map();
  #canvas = document.createElement('canvas');
  #size = [1, 1];
  #shown = [[], null];

  /**
   * @param {HTMLElement} container Where to draw.
   * @param {?object} handlers select(id), drag(id, [y, x]) while and drop(id, [y, x]) after dragging, and press([y, x])
   *   after a click anywhere; none for a picture that is only looked at.
   */
  constructor(container, handlers = null) {
    this.handlers = handlers;
    this.container = container;
    this.#stage = new Konva.Stage({ container, width: 1, height: 1 });
    const background = new Konva.Layer({ imageSmoothingEnabled: false, listening: false });
    background.add(this.#image);
    this.#stage.add(background, this.#frames);
    this.#stage.listening(handlers !== null);
    this.#stage.on('click tap', () => handlers.press(this.#pointed()));
    new ResizeObserver(() => this.#fit()).observe(container);
  }

  /** Pixels of the screen for one of the scene. */
  get #scale() {
    return this.#stage.width() / this.#size[1];
  }

  #pointed() {
    const { x, y } = this.#stage.getPointerPosition();
    return [y / this.#scale - 0.5, x / this.#scale - 0.5];
  }

  #fit() {
    const width = Math.max(1, this.container.clientWidth);
    const height = (width * this.#size[0]) / this.#size[1];
    if (this.#stage.width() !== width || this.#stage.height() !== height) {
      this.#stage.size({ width, height });
      this.#image.size({ width, height });
      this.showFrames(...this.#shown);
    }
  }

  /** Shows the picture of a scene. */
  showPicture(picture) {
    paint(this.#canvas, picture);
    this.#size = [picture.height, picture.width];
    this.#image.image(this.#canvas);
    this.#fit();
    this.#image.getLayer().batchDraw();
  }

  /**
   * Shows the frames of a scene.
   *
   * @param {object[]} frames {id, location: [y, x], extent: [top, left, bottom, right] from the location}, in pixels.
   * @param {?number} selected The selected object.
   */
  showFrames(frames, selected = null) {
    this.#shown = [frames, selected];
    const present = new Set(frames.map(({ id }) => id));
    for (const [id, node] of this.#byId) {
      if (!present.has(id)) {
        node.off('dragend'); // What is gone is not dropped.
        node.destroy();
        this.#byId.delete(id);
      }
    }
    frames.forEach((frame, index) => this.#show(frame, index, frame.id === selected));
    this.#frames.batchDraw();
  }

  #show({ id, location, extent: [top, left, bottom, right] }, index, isSelected) {
    if (!this.#byId.has(id)) this.#byId.set(id, this.#makeNode(id));
    const node = this.#byId.get(id);
    const scale = this.#scale;
    if (!node.isDragging()) node.position({ x: (location[1] + 0.5) * scale, y: (location[0] + 0.5) * scale });
    const [frame, label] = node.getChildren();
    const margin = 2;
    frame.setAttrs({
      x: left * scale - margin,
      y: top * scale - margin,
      width: (right - left) * scale + 2 * margin,
      height: (bottom - top) * scale + 2 * margin,
      stroke: colorOf(id),
      strokeWidth: isSelected ? 4 : 2,
      dash: isSelected ? [] : [6, 4],
    });
    // Within the picture.
    const [x, y] = [Math.max(left * scale, -node.x()), Math.max(top * scale - 16, -node.y())];
    label.setAttrs({ x, y, text: String(index + 1), fill: colorOf(id) });
    if (isSelected) node.moveToTop();
  }

  #makeNode(id) {
    const node = new Konva.Group({ draggable: this.handlers !== null });
    // A nearly clear filling makes the inside of the frame something to take hold of.
    node.add(new Konva.Rect({ fill: 'rgba(255, 255, 255, 0.01)', cornerRadius: 3, hitStrokeWidth: 12 }));
    node.add(new Konva.Text({ fontSize: 14, fontStyle: 'bold', listening: false }));
    const place = () => [node.y() / this.#scale - 0.5, node.x() / this.#scale - 0.5];
    node.on('mousedown touchstart', () => this.handlers.select(id));
    node.on('dragmove', () => this.handlers.drag(id, place()));
    node.on('dragend', () => this.handlers.drop(id, place()));
    node.on('mouseenter', () => (this.container.style.cursor = 'grab'));
    node.on('mouseleave', () => (this.container.style.cursor = ''));
    this.#frames.add(node);
    return node;
  }
}
