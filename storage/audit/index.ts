export { audit, countTaken, type AuditOptions } from './audit.ts';
export { auditRows, briefOf, type Brief, type RowsAudit } from './brief.ts';
export { openForAudit, readRows, readSite, type Reading, type SiteRows } from './rows.ts';
