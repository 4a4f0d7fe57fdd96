/** A typed event emitter: handlers run synchronously, in the order they were added. */

type Handler<P> = (payload: P) => void;

export class Emitter<Events extends object> {
  private readonly handlers = new Map<keyof Events, Handler<never>[]>();

  on<K extends keyof Events>(name: K, handler: Handler<Events[K]>): this {
    this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler]);
    return this;
  }

  once<K extends keyof Events>(name: K, handler: Handler<Events[K]>): this {
    const wrapper: Handler<Events[K]> & { wraps?: Handler<Events[K]> } = (payload) => {
      this.off(name, wrapper);
      handler(payload);
    };
    wrapper.wraps = handler;
    return this.on(name, wrapper);
  }

  off<K extends keyof Events>(name: K, handler: Handler<Events[K]>): this {
    const kept = (this.handlers.get(name) ?? []).filter(
      (one) => one !== handler && (one as { wraps?: unknown }).wraps !== handler,
    );
    this.handlers.set(name, kept);
    return this;
  }

  removeAll(): void {
    this.handlers.clear();
  }

  /** Calls every handler; one that throws is reported to the console and does not stop the others. */
  emit<K extends keyof Events>(name: K, payload: Events[K]): void {
    for (const handler of this.handlers.get(name) ?? []) {
      try {
        (handler as Handler<Events[K]>)(payload);
      } catch (error) {
        console.error(`ringback: a handler of "${String(name)}" threw`, error);
      }
    }
  }
}
