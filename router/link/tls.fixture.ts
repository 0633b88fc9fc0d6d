import { createAuthority, issueCertificate, type Authority, type CertificateKind } from './certificates.ts';
import type { LinkWorld } from './heartbeat.ts';
import type { Link, LinkState } from './link.ts';
import { createPeering, type Peering, type PeeringOptions } from './peering.ts';

/** The clocks and timers of this machine. */
export const realWorld: LinkWorld = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

export const federation: Authority = await createAuthority('hanse federation');

let started = 0;

/** A process of a site with its certificate, ready to listen and dial. */
export async function processOf(
  site: string,
  changes: Partial<PeeringOptions> & { process?: string; authority?: Authority; kind?: CertificateKind } = {},
): Promise<Peering> {
  const authority = changes.authority ?? federation;
  const certificate = await issueCertificate(authority, {
    commonName: site,
    kind: changes.kind ?? 'site',
    siteId: site,
    partitionIds: [site],
  });
  return createPeering({
    identity: () => ({
      site,
      process: changes.process ?? 'p1',
      certificate,
      authority: authority.cert,
      greeting: { of: site },
    }),
    incarnation: `incarnation-${++started}`,
    world: realWorld,
    ...changes,
  });
}

/** Resolves when the link enters the state. */
export async function reaches(link: Link, wanted: LinkState): Promise<void> {
  if (link.state === wanted) return;
  await new Promise<void>((resolve) => {
    const stop = link.onState((state) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });
}
