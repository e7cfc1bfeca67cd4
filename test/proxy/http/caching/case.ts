/**
 * One requirement: requests sent one after the other, each with what the origin would answer, and
 * what must come of it.
 */
export interface Case {
  /** A sentence about the cache. */
  readonly says: string;
  /** Where the requirement stands, as `9111 4.2.1`, or `Weir` for a choice of ours. */
  readonly rfc: string;
  /** A cache may leave it out (MAY, or no more than an optimisation) and still be a correct one. */
  readonly optional?: true;
  /** Needs names that resolve to the scripted origin, which only our own proxy can be given. */
  readonly byName?: true;
  readonly steps: readonly Step[];
}

/** A request, what the origin answers if it is asked meanwhile, and what the client must see. */
export interface Step extends Request, Expected {
  /** Before the request is sent. */
  readonly pauseMs?: number;
  readonly origin?: Answer | ((asked: Asked) => Answer);
}

export interface Request {
  /** GET when left out. */
  readonly method?: string;
  /** Below the path of the case. */
  readonly path?: string;
  /** Instead of `path`: the whole target, with `{case}` and `{port}` as in an answer. */
  readonly url?: string;
  readonly version?: '1.0';
  /** Header lines. */
  readonly headers?: readonly string[];
  readonly sends?: string;
  /** A number for each subscriber; each has an address of its own. */
  readonly client?: number;
}

/** What the origin answers. Unless stated: 200 with a Date, a length, and a body that tells the step. */
export interface Answer {
  readonly status?: number;
  readonly reason?: string;
  readonly version?: '1.0';
  /**
   * Header lines. `{now}`, `{now-60}`, `{now+60}` become dates, `{case}` the path of the case, `{port}`
   * the port of the origin.
   */
  readonly headers?: readonly string[];
  readonly isDateless?: true;
  readonly body?: string | Buffer;
  /** `close`: only the end of the connection marks the end of the body. */
  readonly framing?: 'length' | 'chunked' | 'close';
  readonly trailers?: readonly string[];
  /** Status lines with headers sent ahead of the answer. */
  readonly interim?: readonly string[];
  readonly delayMs?: number;
  /** The body is sent in four pieces with this pause between them. */
  readonly pauseMs?: number;
  /** The connection is lost in the middle of the body; `at once`: with what was sent last. */
  readonly cut?: 'end' | 'reset' | 'reset at once';
  /** Called when all was written, or the connection lost. */
  readonly onSent?: () => void;
  /** Instead of all else: these bytes, and the end. Empty: the connection is closed without an answer. */
  readonly raw?: string;
}

/** A request as the origin received it. */
export interface Asked {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Field[];
  readonly body: string;
  /** Counted from 1: during which step it arrived. */
  readonly step: number;
}

export interface Field {
  readonly name: string;
  readonly value: string;
}

/**
 * What must come of a step. When nothing is stated, the origin is asked once and its answer of
 * this step arrives whole.
 */
export interface Expected {
  /** Counted from 1: the step whose answer the client gets. The step itself when left out. */
  readonly from?: number;
  /** How often the origin is asked; `undefined` with a stated `from` of an earlier step means not at all. */
  readonly asks?: number | 'any';
  /** Headers of the first request the origin gets in this step; null: absent. */
  readonly asked?: Readonly<Record<string, string | RegExp | null>>;
  readonly status?: number | readonly number[];
  readonly body?: string | RegExp | Buffer;
  readonly reason?: string;
  /** Headers of the answer; null: absent. Lines of one name are joined with a comma. */
  readonly gets?: Readonly<Record<string, string | RegExp | null>>;
  /** Bounds of the Age of the answer, in seconds. */
  readonly age?: readonly [number, number];
  /** Status codes of the interim answers. */
  readonly interim?: readonly number[];
  readonly trailers?: Readonly<Record<string, string>>;
  /** The answer ends before its length or its last chunk. */
  readonly isCut?: true | 'any';
  /** At most, from the request to the end of the answer. */
  readonly withinMs?: number;
  /** How long to wait after the answer before the origin's requests are counted. */
  readonly settleMs?: number;
}

/** As a body: whatever it is. */
export const ANYTHING = /^/;

/** Long enough for a large body to be written to disk; until then a cache may ask for it again. */
export const WRITTEN_MS = 1_500;

/** Long enough for `max-age=1` to be over, whichever way its age is rounded. */
export const A_WHILE_MS = 2_150;

/** A request that fills the cache: the origin answers with these headers. */
export function fill(headers: readonly string[] = [], more: Step & { answer?: Answer } = {}): Step {
  const { answer, ...step } = more;
  return { ...step, origin: { headers, ...answer } };
}

/** The answer of the first step comes again, and the origin is not asked. */
export function hit(more: Step = {}): Step {
  return { from: 1, asks: 0, ...more };
}

/** The origin is asked, and its new answer arrives. */
export function miss(more: Step = {}): Step {
  return { origin: {}, ...more };
}

interface More {
  readonly optional?: true;
  /** Of the origin's first answer, beside its headers. */
  readonly answer?: Answer;
  readonly first?: Step;
  readonly second?: Step;
}

/** After an answer with these headers, the same request is answered from the cache. */
export function reuses(says: string, rfc: string, headers: readonly string[], more: More = {}): Case {
  return { says, rfc, ...optional(more), steps: [filled(headers, more), hit(more.second)] };
}

/** After an answer with these headers, the same request asks the origin again. */
export function refetches(says: string, rfc: string, headers: readonly string[], more: More = {}): Case {
  return { says, rfc, ...optional(more), steps: [filled(headers, more), miss(more.second)] };
}

function filled(headers: readonly string[], { first, answer }: More): Step {
  return fill(headers, { ...first, ...(answer !== undefined && { answer }) });
}

function optional(more: More): Pick<Case, 'optional'> {
  return more.optional === true ? { optional: true } : {};
}

/** The value of a header, its lines joined with a comma; undefined when there is none. */
export function fieldOf(headers: readonly Field[], name: string): string | undefined {
  const values = headers.filter((field) => field.name.toLowerCase() === name.toLowerCase());
  return values.length === 0 ? undefined : values.map(({ value }) => value).join(', ');
}
