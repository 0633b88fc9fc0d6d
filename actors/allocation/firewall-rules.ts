import { invalid, isRefusal, type Refusal } from '../refusal.ts';
import { parsePrefix } from '../ipam/prefix.ts';

export type FirewallProtocol = 'TCP' | 'UDP';

export interface EgressRule {
  protocol: FirewallProtocol;
  ports: number[];
  /** CIDRs, all of one address family with those of `from`. */
  to: string[];
  comment: string;
}

export interface IngressRule extends EgressRule {
  from: string[];
}

/** What a firewall lets through from its first start (machines.md §9). */
export interface FirewallRules {
  egress: EgressRule[];
  ingress: IngressRule[];
}

/** A rule as asked for. Protocol in any case, default TCP. */
export interface AskedFirewallRule {
  protocol?: string | undefined;
  ports: number[];
  to: string[];
  /** Ingress only. */
  from?: string[] | undefined;
  comment: string;
}

const HIGHEST_PORT = 65_535;
const LONGEST_COMMENT = 100;

const protocolOf = (text: string): FirewallProtocol | undefined => {
  const upper = text.toUpperCase();
  return upper === 'TCP' || upper === 'UDP' ? upper : undefined;
};

const parseRule = (asked: AskedFirewallRule, where: 'egress' | 'ingress'): IngressRule | Refusal => {
  const { ports, to, from = [], comment } = asked;
  const protocol = protocolOf(asked.protocol || 'TCP');
  if (!protocol) return invalid(`${where} rule: protocol:"${asked.protocol}" is unknown, expected tcp or udp`);
  // No digits: metal-api refuses them, and comments end up in firewalls that were built against it.
  if (!/^[A-Za-z_ -]*$/.test(comment) || comment.length > LONGEST_COMMENT) {
    return invalid(`${where} rule: comment:"${comment}" must be at most ${LONGEST_COMMENT} letters, blanks, _ and -`);
  }
  const port = ports.find((number) => !Number.isInteger(number) || number < 0 || number > HIGHEST_PORT);
  if (port !== undefined) return invalid(`${where} rule: port:${port} is out of range, expected 0 to ${HIGHEST_PORT}`);
  const families = new Set<string>();
  for (const cidr of [...from, ...to]) {
    const prefix = parsePrefix(cidr);
    if (!prefix) return invalid(`${where} rule: cidr:"${cidr}" is not valid, expected such as 10.0.0.0/8`);
    families.add(prefix.family);
  }
  if (families.size > 1) return invalid(`${where} rule: mixed address families in one rule are not supported`);
  return { protocol, ports, to, from, comment };
};

const parseRules = (asked: readonly AskedFirewallRule[], where: 'egress' | 'ingress'): IngressRule[] | Refusal => {
  const rules: IngressRule[] = [];
  for (const rule of asked) {
    const parsed = parseRule(rule, where);
    if (isRefusal(parsed)) return parsed;
    rules.push(parsed);
  }
  return rules;
};

/** null when there are no rules at all; Invalid where one is wrong. */
export const parseFirewallRules = (
  asked: { egress: AskedFirewallRule[]; ingress: AskedFirewallRule[] } | null,
): FirewallRules | null | Refusal => {
  if (!asked || asked.egress.length + asked.ingress.length === 0) return null;
  const egress = parseRules(asked.egress, 'egress');
  if (isRefusal(egress)) return egress;
  const ingress = parseRules(asked.ingress, 'ingress');
  if (isRefusal(ingress)) return ingress;
  return { egress: egress.map(({ protocol, ports, to, comment }) => ({ protocol, ports, to, comment })), ingress };
};
