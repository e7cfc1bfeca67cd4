import { openMemoryByteStore } from '../../../src/store/memory/byte-store.ts';
import { byteStoreContract } from '../../contract/byte-store.ts';

byteStoreContract('memory', async () => {
  const options = { capacityBytes: Number.POSITIVE_INFINITY };
  const store = openMemoryByteStore(options);
  return {
    store,
    sealedAfterBytes: 0,
    setFull: (isFull) => {
      options.capacityBytes = isFull ? 0 : Number.POSITIVE_INFINITY;
    },
    remove: () => store.close(),
  };
});
