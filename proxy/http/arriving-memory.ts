import type { BodyMemory } from './arriving-body.ts';

/** What arriving bodies keep in memory, all together. */
export interface ArrivingMemory {
  /** Takes what a body that may be kept needs, as far as there is room. */
  reserve(body: ExpectedBody): Reservation;
}

export interface ExpectedBody {
  /** As announced. */
  readonly sizeBytes: number | undefined;
  /** It can be read back while it arrives, and will be in the store. */
  readonly isRecorded: boolean;
}

export interface Reservation {
  readonly memory: BodyMemory;
  /** Idempotent. */
  giveBack(): void;
}

export const MAX_ARRIVING_BYTES = 64 * 1024 * 1024;
/** Of one that is recorded: it gets to memory as a whole when it is asked for again. */
const RECORDED_BODY_BYTES = 256 * 1024;
/** A larger body is durable but for this much, as long as the store keeps up. */
const JOIN_BYTES = 2 * 1024 * 1024;

export const NOTHING_RESERVED: Reservation = {
  memory: { wholeBytes: 0, joinBytes: 0 },
  giveBack: () => {},
};

/** Bodies above `bodyBytes` are not kept in memory as a whole. */
export function createArrivingMemory(bodyBytes: number): ArrivingMemory {
  let reservedBytes = 0;
  return {
    /** All of a small body; of a larger one what those need who come while it arrives. */
    reserve({ sizeBytes, isRecorded }) {
      const most = isRecorded ? Math.min(RECORDED_BODY_BYTES, bodyBytes) : bodyBytes;
      const isSmall = (sizeBytes ?? 0) <= most;
      const wantedBytes = isSmall ? Math.min(sizeBytes ?? RECORDED_BODY_BYTES, most) : JOIN_BYTES;
      const isRoom = reservedBytes + wantedBytes <= MAX_ARRIVING_BYTES;
      if (!isRoom || (!isSmall && !isRecorded)) return NOTHING_RESERVED;
      reservedBytes += wantedBytes;
      let heldBytes = wantedBytes;
      return {
        memory: { wholeBytes: isSmall ? wantedBytes : 0, joinBytes: isRecorded ? wantedBytes : 0 },
        giveBack() {
          reservedBytes -= heldBytes;
          heldBytes = 0;
        },
      };
    },
  };
}
