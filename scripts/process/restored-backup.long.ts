import { restoredBackup } from './restored-backup.ts';

restoredBackup('fra');
