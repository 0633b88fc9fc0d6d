import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { parseFirewallRules, type AskedFirewallRule } from './firewall-rules.ts';

const egress = (more: Partial<AskedFirewallRule> = {}): AskedFirewallRule => ({
  ports: [443],
  to: ['10.0.0.0/8'],
  comment: '',
  ...more,
});
const kindOf = (rule: AskedFirewallRule, where: 'egress' | 'ingress' = 'egress') => {
  const result = parseFirewallRules({ egress: [], ingress: [], [where]: [rule] });
  return isRefusal(result) ? result.kind : 'ok';
};

describe('firewall rules', () => {
  it('machines.md §9: no rules at all are none', () => {
    assert.equal(parseFirewallRules(null), null);
    assert.equal(parseFirewallRules({ egress: [], ingress: [] }), null);
  });

  it('machines.md §9: protocol in any case, default TCP, stored upper case', () => {
    assert.deepEqual(
      parseFirewallRules({
        egress: [egress()],
        ingress: [egress({ protocol: 'udp', from: ['0.0.0.0/0'], to: [], comment: 'Dns in_' })],
      }),
      {
        egress: [{ protocol: 'TCP', ports: [443], to: ['10.0.0.0/8'], comment: '' }],
        ingress: [{ protocol: 'UDP', ports: [443], to: [], from: ['0.0.0.0/0'], comment: 'Dns in_' }],
      },
    );
    assert.equal(kindOf(egress({ protocol: 'icmp' })), 'Invalid');
  });

  it('machines.md §9: ports, CIDRs, comment', () => {
    assert.equal(kindOf(egress({ ports: [0, 65_535] })), 'ok');
    for (const port of [-1, 65_536, 1.5]) assert.equal(kindOf(egress({ ports: [port] })), 'Invalid');
    for (const cidr of ['10.0.0.0', 'x/8', '10.0.0.0/33', '']) assert.equal(kindOf(egress({ to: [cidr] })), 'Invalid');
    assert.equal(kindOf(egress({ to: ['10.0.0.0/8', '2001:db8::/32'] })), 'Invalid');
    assert.equal(kindOf(egress({ from: ['2001:db8::/32'] }), 'ingress'), 'Invalid');
    assert.equal(kindOf(egress({ comment: 'port 80' })), 'Invalid');
    assert.equal(kindOf(egress({ comment: 'ünix' })), 'Invalid');
    assert.equal(kindOf(egress({ comment: 'a'.repeat(100) })), 'ok');
    assert.equal(kindOf(egress({ comment: 'a'.repeat(101) })), 'Invalid');
  });
});
