import { restoredBackup } from './restored-backup.ts';

restoredBackup('muc');
restoredBackup('fra');
