// What a site serves besides v1 and what every edge has.
import type { Bus } from '../../http/agents/bus.ts';
import { addBusRoutes } from '../../http/agents/bus-route.ts';
import type { Edge } from '../../http/env.ts';
import { addFederationRoutes, type FederationRoutes } from './federation-routes.ts';
import type { Insight } from './insight.ts';

export const siteRoutes = ({
  bus,
  insight,
  ...federation
}: FederationRoutes & { bus: Bus; insight: Pick<Insight, 'addRoutes'> }): Array<(edge: Edge) => void> => [
  addBusRoutes(bus),
  addFederationRoutes(federation),
  insight.addRoutes,
];
