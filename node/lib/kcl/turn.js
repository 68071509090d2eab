'use strict';

/** How long a method may have resolved without its callback before that is worth a warning. */
const CALLBACK_PATIENCE_MS = 10_000;

/**
 * One action from its call to its end. It ends once: done, or failed.
 *
 * A method that declares the callback ends by calling it, even if it also returns a promise: many
 * `async` methods written for aws-kcl resolve before the checkpoint they have started is answered.
 * A method that does not declare it ends when its promise resolves. A throw or a rejection fails.
 */
class Turn {
  #name;
  #events;
  #callbackPatienceMs;
  #ended = null;
  #patience = null;

  /**
   * @param {string} name the action
   * @param {object} events
   * @param {() => void} events.done called once, unless it failed before
   * @param {(error: unknown) => void} events.failed called once
   * @param {(text: string) => void} events.warn
   * @param {number} [callbackPatienceMs]
   */
  constructor(name, events, callbackPatienceMs = CALLBACK_PATIENCE_MS) {
    this.#name = name;
    this.#events = events;
    this.#callbackPatienceMs = callbackPatienceMs;
  }

  /** Calls the method; what it throws comes back through `failed`. */
  call(processor, method, input) {
    let returned;
    try {
      returned = method.call(processor, input, () => this.#called());
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (typeof returned?.then === 'function') {
      const declaresCallback = method.length >= 2;
      returned.then(
        () => this.#resolved(declaresCallback),
        // On the next tick, so that what `failed` throws is an uncaught exception.
        (error) => process.nextTick(() => this.#fail(error)),
      );
    }
  }

  /** Ends an action that the processor has no method for. */
  skip() {
    this.#done();
  }

  #called() {
    if (this.#ended === 'done') {
      this.#events.warn(`${this.#name} called its callback again; only the first call counts`);
      return;
    }
    this.#done();
  }

  #resolved(declaresCallback) {
    if (!declaresCallback) {
      this.#done();
    } else if (!this.#ended) {
      this.#patience = setTimeout(() => {
        this.#events.warn(
          `${this.#name} has resolved but not called its callback; still waiting for that`,
        );
      }, this.#callbackPatienceMs).unref();
    }
  }

  #done() {
    if (this.#ended) {
      return;
    }
    this.#ended = 'done';
    clearTimeout(this.#patience);
    this.#events.done();
  }

  #fail(error) {
    if (this.#ended === 'failed') {
      return;
    }
    this.#ended = 'failed';
    clearTimeout(this.#patience);
    this.#events.failed(error);
  }
}

module.exports = Turn;
