import { addressOf, siteScope } from '../../actors/address.ts';
import { unlimited } from '../../actors/directory/tenant.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Site } from '../../http/site.ts';

/** Makes the tenant that everybody who signs in belongs to, if it is not there. */
export async function ensureProviderTenant(options: {
  site: Pick<Site, 'id' | 'ask' | 'directory'>;
  tenant: string;
  odd(what: string): void;
}): Promise<void> {
  const { site, tenant: id } = options;
  if (site.directory.get('tenant', id) !== undefined) return;
  const request = {
    id,
    name: id,
    description: 'provider',
    meta: undefined,
    defaultQuotas: unlimited(),
    quotas: unlimited(),
    iamConfig: null,
  };
  const answer = await site.ask(
    addressOf(siteScope(site.id), 'directory', 'tenant'),
    'create',
    { kind: 'tenant', request, facts: { isProvider: true } },
    { who: 'hanse' },
  );
  if (isRefusal(answer) && answer.kind !== 'Conflict')
    options.odd(`the provider tenant could not be created: ${answer.message}`);
}
