/** Does one thing after the other; of what was asked for meanwhile, only the last. */
export class Latest {
  #next = null;
  #running = null;

  /** @param {function(): Promise} work What to do; its errors go to whoever waits for the running one. */
  run(work) {
    this.#next = work;
    this.#running ??= this.#work().finally(() => (this.#running = null));
    return this.#running;
  }

  async #work() {
    while (this.#next) {
      const work = this.#next;
      this.#next = null;
      await work();
    }
  }
}
