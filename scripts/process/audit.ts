// The product's own audit over the databases of a plant, as the process tests use it.
import { audit, readSite, type AuditOptions } from '../../storage/audit/index.ts';

export { audit, countTaken } from '../../storage/audit/index.ts';

export const auditDatabases = async (urls: readonly string[], options?: AuditOptions): Promise<string[]> =>
  audit(await Promise.all(urls.map((url) => readSite(url))), options);
