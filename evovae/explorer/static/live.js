/** Requests that follow a moving value: one at a time, always ending with the newest. */

/**
 * @template Value, Answer
 * @param {(value: Value) => Promise<Answer>} send
 * @param {(answer: Answer, value: Value) => void} draw
 * @param {(error: unknown) => void} fail
 * @returns {(value: Value) => void}
 */
export function makeLive(send, draw, fail) {
  let waiting = /** @type {{value: Value}|null} */ (null);
  let running = false;

  async function run() {
    running = true;
    while (waiting) {
      const { value } = waiting;
      waiting = null;
      try {
        draw(await send(value), value);
      } catch (error) {
        fail(error);
      }
    }
    running = false;
  }

  return (value) => {
    waiting = { value };
    if (!running) void run();
  };
}
