export { openForAudit, readRows, readSite, type Reading, type SiteRows } from '../../storage/audit/index.ts';
