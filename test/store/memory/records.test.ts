import { openMemoryRecords } from '../../../src/store/memory/records.ts';
import { recordsContract } from '../../contract/records.ts';

recordsContract('memory', async () => openMemoryRecords());
