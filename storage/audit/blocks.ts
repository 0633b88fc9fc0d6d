// Blocks of global networks over all sites that are looked at; the ledger of a network lies in its home's database only.
import { partitionScope, type Scope } from '../../actors/address.ts';
import { parseAddress } from '../../actors/ipam/address.ts';
import { covers, parsePrefix, type Prefix } from '../../actors/ipam/prefix.ts';
import { isInUseHere } from '../../actors/network/standing.ts';
import { coverOf, overlapping } from './overlaps.ts';
import { at } from './place.ts';
import { live, type LiveRow, type SiteRows } from './rows.ts';

/** Sites by the global networks that they are home of. */
const homesOf = (sites: readonly SiteRows[]): Map<string, string> =>
  new Map(
    sites.flatMap((site) =>
      live(site, 'directory').flatMap(({ value }): Array<[string, string]> =>
        value.kind === 'globalnetwork' && value.entity !== null ? [[value.id, value.home]] : [],
      ),
    ),
  );

/** The ledger of blocks against what partitions hold, over all sites (I03, I08); and addresses lie in held blocks. */
export function* auditBlocks(sites: readonly SiteRows[], isQuiet: boolean): Generator<string> {
  const homes = homesOf(sites);
  const given = new Set(sites.map(({ site }) => site));
  const ledger = new Map<string, LiveRow<'block'> & { prefix: Prefix }>();
  const perNetwork = new Map<string, Array<{ name: string; first: string; prefix: Prefix }>>();
  for (const site of sites) {
    for (const row of live(site, 'block')) {
      const { network, first, length, prefix: whole } = row.value;
      const name = `block ${first}/${length} of ${network}`;
      const prefix = parsePrefix(`${first}/${length}`);
      const around = parsePrefix(whole);
      if (prefix === undefined || around === undefined || !covers(around, prefix)) {
        yield `block prefix: ${name} does not lie in ${whole}`;
        continue;
      }
      const others = perNetwork.get(network) ?? [];
      others.push({ name, first, prefix });
      perNetwork.set(network, others);
      ledger.set(at(network, first), { ...row, prefix });
    }
  }
  for (const blocks of perNetwork.values())
    for (const [{ name }, other] of overlapping(blocks)) yield `block twice: ${name} overlaps ${other.first}`;
  const held = new Map<string, string>();
  /** What lies in a scope, also on its way back: by scope, first address and hand-over. */
  const lying = new Set<string>();
  const blocksOf = new Map<string, Prefix[]>();
  for (const site of sites) {
    for (const { scope, value } of live(site, 'holding')) {
      const place = at(value.network, value.first);
      const name = `holding ${value.first}/${value.length} of ${value.network} in ${scope}`;
      const block = ledger.get(place);
      lying.add(at(scope, at(value.first, value.h)));
      const isHolder = block !== undefined && partitionScope(block.value.holder) === scope && block.value.h === value.h;
      // One that goes back may have been given away already; it gives nothing out.
      if (value.state !== 'returning' && !isHolder && given.has(homes.get(value.network) ?? site.site))
        yield `block holder: ${name} is held, the ledger says ${block?.value.holder ?? 'nobody'}`;
      if (value.state === 'returning') {
        if (isQuiet) yield `block on its way: ${name} is ${value.state} although all is quiet`;
        continue;
      }
      const other = held.get(place);
      if (other !== undefined) yield `block twice: ${name} is held in ${other} as well`;
      held.set(place, scope);
      const prefix = parsePrefix(`${value.first}/${value.length}`);
      if (prefix === undefined) continue;
      const blocks = blocksOf.get(at(scope, value.network));
      if (blocks === undefined) blocksOf.set(at(scope, value.network), [prefix]);
      else blocks.push(prefix);
    }
  }
  const known = new Set(sites.flatMap(({ ownership }) => ownership.map(({ scope }) => scope)));
  for (const { value } of ledger.values()) {
    const holder = partitionScope(value.holder);
    const name = `block ${value.first}/${value.length} of ${value.network} for ${value.holder}`;
    if (isQuiet && value.state === 'sent') yield `block on its way: ${name} is sent although all is quiet`;
    if (!known.has(holder) || value.state !== 'delivered' || held.get(at(value.network, value.first)) === holder)
      continue;
    // It may be on its way back.
    if (!lying.has(at(holder, at(value.first, value.h))))
      yield `block lost: ${name} was delivered, and is not held there`;
  }
  const covered = new Map([...blocksOf].map(([place, blocks]) => [place, coverOf(blocks)]));
  for (const site of sites) {
    const copies = new Set(live(site, 'global_network').map(({ scope, key }) => at(scope, key)));
    for (const { scope, value } of live(site, 'ip')) {
      // A borrowed address lies in a block of its lender.
      if (!copies.has(at(scope, value.network)) || value.loan?.as === 'borrowed') continue;
      const address = parseAddress(value.address);
      // One that is none is said of it already.
      if (address !== undefined && covered.get(at(scope, value.network))?.(address) !== true)
        yield `block address: ${value.address} of ${value.network} is given out in ${scope}, which does not hold its block`;
    }
  }
}

/** What must be unique over all sites. */
export function* auditAcross(sites: readonly SiteRows[]): Generator<string> {
  const addresses = new Map<string, string>();
  const machines = new Map<string, string>();
  const owners = new Map<Scope, string>();
  for (const site of sites) {
    for (const scope of new Set(site.ownership.map((row) => row.scope))) {
      const other = owners.get(scope);
      if (other !== undefined) yield `scope twice: ${scope} is owned by ${other} and ${site.site}`;
      owners.set(scope, site.site);
    }
    for (const { value } of live(site, 'ip')) {
      if (!isInUseHere(value)) continue;
      const place = at(value.network, value.address);
      const other = addresses.get(place);
      if (other !== undefined && other !== site.site)
        yield `address twice: ${value.address} of ${value.network} at ${other} and ${site.site}`;
      addresses.set(place, site.site);
    }
    for (const { key } of live(site, 'machine')) {
      const other = machines.get(key);
      if (other !== undefined && other !== site.site) yield `machine twice: ${key} at ${other} and ${site.site}`;
      machines.set(key, site.site);
    }
  }
}
