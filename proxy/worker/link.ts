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

/** Who waits for an answer. */
interface Asking {
  answer(value: unknown): void;
  fail(error: WeirError): void;
}

export function createLink(options: LinkOptions): Link {
  return new ProcessLink(options);
}

class ProcessLink implements Link {
  readonly #options: LinkOptions;
  readonly #heard = new Map<string, (raw: unknown) => unknown>();
  readonly #asking = new Map<number, Asking>();
  #asked = 0;
  #unsent = 0;
  #isEnded = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  async call<T>(name: string, value: unknown, answer: z.ZodType<T>): Promise<T> {
    if (this.#isEnded) throw gone();
    const id = this.#asked++;
    const given = new Promise<unknown>((resolve, reject) => {
      this.#asking.set(id, { answer: resolve, fail: reject });
    });
    this.#send({ kind: 'call', id, name, value });
    return checked(answer, await given);
  }

  tell(name: string, value: unknown): void {
    this.#send({ kind: 'tell', name, value });
  }

  hear<T>(name: string, schema: z.ZodType<T>, act: (value: T) => unknown): void {
    this.#heard.set(name, (raw) => act(checked(schema, raw)));
  }

  receive(raw: unknown): void {
    if (this.#isEnded) return;
    try {
      this.#take(checked(message, raw));
    } catch (error) {
      this.#options.onFault(asWeirError(error));
    }
  }

  end(): void {
    this.#isEnded = true;
    for (const { fail } of this.#asking.values()) fail(gone());
    this.#asking.clear();
  }

  #take(message: Message): void {
    if (message.kind === 'call') void this.#answer(message.id, message.name, message.value);
    else if (message.kind === 'tell') this.#listen(message.name, message.value);
    else {
      const asking = this.#asking.get(message.id);
      if (asking === undefined) throw new WeirError('WEIR_WIRE_MALFORMED', 'an answer that nobody asked for');
      this.#asking.delete(message.id);
      if (message.kind === 'answer') asking.answer(message.value);
      else asking.fail(readError(message));
    }
  }

  async #answer(id: number, name: string, value: unknown): Promise<void> {
    try {
      this.#send({ kind: 'answer', id, value: await this.#act(name, value) });
    } catch (error) {
      const { code, message } = asWeirError(error);
      this.#send({ kind: 'failure', id, code, message });
    }
  }

  #listen(name: string, value: unknown): void {
    const done = this.#act(name, value);
    const { onFault } = this.#options;
    if (done instanceof Promise) done.catch((error: unknown) => onFault(asWeirError(error)));
  }

  #act(name: string, value: unknown): unknown {
    const heard = this.#heard.get(name);
    if (heard === undefined) throw new WeirError('WEIR_WIRE_MALFORMED', `nobody here knows "${name}"`);
    return heard(value);
  }

  #send(message: Message): void {
    if (this.#isEnded) return;
    const { send, onFault } = this.#options;
    if (this.#unsent === MAX_UNSENT_MESSAGES)
      return onFault(new WeirError('WEIR_WORKER_LOST', 'the other process has stopped listening'));
    this.#unsent++;
    send(message, () => {
      this.#unsent--;
    });
  }
}

function readError({ code, message }: Extract<Message, { kind: 'failure' }>): WeirError {
  return new WeirError(isErrorCode(code) ? code : 'WEIR_INTERNAL', message);
}

function checked<T>(schema: z.ZodType<T>, raw: unknown): T {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new WeirError('WEIR_WIRE_MALFORMED', z.prettifyError(parsed.error));
}

function gone(): WeirError {
  return new WeirError('WEIR_WORKER_LOST', 'the other process is gone');
}
