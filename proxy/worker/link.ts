import { z } from 'zod';
import { asWeirError, isErrorCode, WeirError } from '../../src/base/errors.ts';

/**
 * A channel between two processes of Weir on which each asks the other and tells it things.
 * Messages are structured clones, so that bytes stay bytes, and arrive in the order they were sent.
 */
export interface Link {
  /**
   * Asks the other side. Rejects with the error it met there, with WEIR_WIRE_MALFORMED when the
   * answer is not what `answer` describes, and with WEIR_WORKER_LOST when the channel ends first.
   */
  call<T>(name: string, value: unknown, answer: z.ZodType<T>): Promise<T>;
  /** Says something that is not answered. */
  tell(name: string, value: unknown): void;
  /** What to do when the other side asks or tells this. What it gives is the answer. */
  hear<T>(name: string, schema: z.ZodType<T>, act: (value: T) => unknown): void;
  /** Takes a message that has come from the other side. */
  receive(raw: unknown): void;
  /** Nothing comes from the other side any more. */
  end(): void;
}

export interface LinkOptions {
  /** `sent` is called when the message has left this process, or cannot. */
  send(message: Message, sent: () => void): void;
  /** The channel is of no use any more: the other side speaks nonsense, or has stopped listening. */
  onFault(error: WeirError): void;
}

/** Messages that wait to leave. Beyond, the other side has stopped listening. */
export const MAX_UNSENT_MESSAGES = 100_000;

const id = z.int().min(0);
const message = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('call'), id, name: z.string(), value: z.unknown() }),
  z.strictObject({ kind: z.literal('tell'), name: z.string(), value: z.unknown() }),
  z.strictObject({ kind: z.literal('answer'), id, value: z.unknown() }),
  z.strictObject({ kind: z.literal('failure'), id, code: z.string(), message: z.string() }),
]);
export type Message = z.infer<typeof message>;

interface Asked {
  answer(value: unknown): void;
  fail(error: WeirError): void;
}

export function createLink({ send, onFault }: LinkOptions): Link {
  const heard = new Map<string, (raw: unknown) => unknown>();
  const asked = new Map<number, Asked>();
  let lastId = 0;
  let unsent = 0;
  let isEnded = false;

  function post(message: Message): void {
    if (isEnded) return;
    if (unsent === MAX_UNSENT_MESSAGES) return onFault(lost('the other process has stopped listening'));
    unsent++;
    send(message, () => unsent--);
  }

  function act(name: string, value: unknown): unknown {
    const known = heard.get(name);
    if (known === undefined) throw new WeirError('WEIR_WIRE_MALFORMED', `nobody here knows "${name}"`);
    return known(value);
  }

  async function answer(id: number, name: string, value: unknown): Promise<void> {
    try {
      post({ kind: 'answer', id, value: await act(name, value) });
    } catch (error) {
      const { code, message } = asWeirError(error);
      post({ kind: 'failure', id, code, message });
    }
  }

  function take(message: Message): void {
    if (message.kind === 'call') return void answer(message.id, message.name, message.value);
    if (message.kind === 'tell') {
      const done = act(message.name, message.value);
      if (done instanceof Promise) done.catch((error: unknown) => onFault(asWeirError(error)));
      return;
    }
    const one = asked.get(message.id);
    if (one === undefined) throw new WeirError('WEIR_WIRE_MALFORMED', 'an answer that nobody asked for');
    asked.delete(message.id);
    if (message.kind === 'answer') one.answer(message.value);
    else {
      const { code, message: text } = message;
      one.fail(new WeirError(isErrorCode(code) ? code : 'WEIR_INTERNAL', text));
    }
  }

  return {
    call: (name, value, schema) =>
      new Promise((resolve, reject) => {
        if (isEnded) return reject(lost('the other process is gone'));
        const id = lastId++;
        asked.set(id, {
          fail: reject,
          answer(raw) {
            try {
              resolve(checked(schema, raw));
            } catch (error) {
              reject(asWeirError(error));
            }
          },
        });
        post({ kind: 'call', id, name, value });
      }),
    tell: (name, value) => post({ kind: 'tell', name, value }),
    hear(name, schema, act) {
      heard.set(name, (raw) => act(checked(schema, raw)));
    },
    receive(raw) {
      if (isEnded) return;
      try {
        take(checked(message, raw));
      } catch (error) {
        onFault(asWeirError(error));
      }
    },
    end() {
      isEnded = true;
      for (const { fail } of asked.values()) fail(lost('the other process is gone'));
      asked.clear();
    },
  };
}

function checked<T>(schema: z.ZodType<T>, raw: unknown): T {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new WeirError('WEIR_WIRE_MALFORMED', z.prettifyError(parsed.error));
}

function lost(message: string): WeirError {
  return new WeirError('WEIR_WORKER_LOST', message);
}
