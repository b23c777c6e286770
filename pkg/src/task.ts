/** Resolves in a task of its own, soon: without the delay that nested timers get. */
export function nextTask(): Promise<void> {
  // Workers of an older date have timers only.
  if (!("MessageChannel" in globalThis)) return new Promise((resolve) => setTimeout(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close(); // open ports would keep each other alive
      resolve();
    };
    port2.postMessage(undefined);
  });
}
