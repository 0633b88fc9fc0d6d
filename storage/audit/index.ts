export { audit, countTaken, type AuditOptions } from './audit.ts';
export { openForAudit, readRows, readSite, type Reading, type SiteRows } from './rows.ts';
