'use strict';

/** How long a method may be silent that has returned, before that is worth a warning. */
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
    const declaresCallback = method.length >= 2;
    if (typeof returned?.then === 'function') {
      returned.then(
        () => this.#resolved(declaresCallback),
        // On the next tick, so that what `failed` throws is an uncaught exception.
        (error) => process.nextTick(() => this.#fail(error)),
      );
    } else if (!declaresCallback) {
      // It may call back all the same, by `arguments` or a rest parameter.
      this.#expectCallback(
        'neither takes a callback nor has returned a promise: it is not done until it calls back,' +
          ' and its shard waits',
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
    } else {
      this.#expectCallback('has resolved but not called its callback; still waiting for that');
    }
  }

  /** Warns if the callback does not come for a while. */
  #expectCallback(otherwise) {
    if (this.#ended) {
      return;
    }
    const warn = () => this.#events.warn(`${this.#name} ${otherwise}`);
    this.#patience = setTimeout(warn, this.#callbackPatienceMs).unref();
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
