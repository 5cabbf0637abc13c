/** The states that a scene went through. */
export class History {
  #past = [];
  #future = [];

  constructor(present) {
    this.present = present;
  }

  /** Takes a new state; what was undone before cannot be redone any more. */
  push(state) {
    this.#past.push(this.present);
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
    if (!this.canUndo) return;
    this.#future.push(this.present);
    this.present = this.#past.pop();
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.present);
    this.present = this.#future.pop();
  }
}
