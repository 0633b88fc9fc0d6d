import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal } from '../refusal.ts';
import { translatePortName, type SwitchVendor } from './port-names.ts';

const translate = (name: string, from: SwitchVendor, to: SwitchVendor, names: string[] = []): string => {
  const answer = translatePortName(name, from, to, [name, ...names]);
  return isRefusal(answer) ? 'invalid' : answer;
};

it('networks.md §11.7: port names', () => {
  assert.equal(translate('swp1', 'Cumulus', 'SONiC'), 'Ethernet0');
  assert.equal(translate('swp1s1', 'Cumulus', 'SONiC'), 'Ethernet1');
  assert.equal(translate('Ethernet0', 'SONiC', 'Cumulus', ['Ethernet1']), 'swp1s0');
  assert.equal(translate('Ethernet0', 'SONiC', 'Cumulus', ['Ethernet4']), 'swp1');
  assert.equal(translate('Ethernet5', 'SONiC', 'Cumulus'), 'swp2s1');
  assert.equal(translate('Ethernet5', 'SONiC', 'SONiC'), 'Ethernet5');
  for (const name of ['swp0', 'swp-1', 'swp1s-1', 'eth0', ''])
    assert.equal(translate(name, 'Cumulus', 'SONiC'), 'invalid');
  for (const name of ['Ethernet-1', 'eth0', 'Ethernet', 'swp1'])
    assert.equal(translate(name, 'SONiC', 'Cumulus'), 'invalid');
});
