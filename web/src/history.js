/** The states that a scene went through. */
export class History {
  #past = [];
  #future = [];
  #gesture = null;

  constructor(present) {
    this.present = present;
  }

  /**
   * Takes a new state; what was undone before cannot be redone any more.
   *
   * @param {?string} gesture What led to it, if it may take several states, such as a slider moved by keys: they are one
   *   step as long as nothing else is between them.
   */
  push(state, gesture = null) {
    if (gesture === null || gesture !== this.#gesture) this.#past.push(this.present);
    this.#gesture = gesture;
    this.#future = [];
    this.present = state;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    this.#gesture = null;
    if (!this.canUndo) return;
    this.#future.push(this.present);
    this.present = this.#past.pop();
  }

  redo() {
    this.#gesture = null;
    if (!this.canRedo) return;
    this.#past.push(this.present);
    this.present = this.#future.pop();
  }
}
