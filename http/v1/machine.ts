import { z } from 'zod';
import { newestImage, type Image } from '../../actors/directory/image.ts';
import { selectFilesystemLayout } from '../../actors/directory/filesystem-layout.ts';
import { checkImageOnSize } from '../../actors/directory/size-image-constraint.ts';
import { invalid, isRefusal, unprocessable, type Refusal } from '../../actors/refusal.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import type { Site } from '../site.ts';
import { answerDone, askAllocator, askMachine, listMachines, readAnswer } from './machine-answer.ts';
import { machineOf } from './machine-of.ts';
import { machineQuery } from './machine-query.ts';
import { given, text, texts } from './shape/fields.ts';

const PATH = '/v1/machine';

const updateBody = z.object({ id: text, description: text, tags: texts, ssh_pub_keys: texts });
const passwordBody = z.object({ id: text, reason: text });
const stateBody = z.object({ value: text, description: text });
const reinstallBody = z.object({ imageid: text });

const STATES = ['', 'RESERVED', 'TAINTED', 'LOCKED'] as const;
type WireState = (typeof STATES)[number];
const isState = (value: string): value is WireState => (STATES as readonly string[]).includes(value);

/** The image of a reinstallation, as good for this machine as that of an allocation would have to be (W28). */
const imageFor = (site: Site, { machine, allocation }: MachineView, id: string): Image | Refusal => {
  const image = site.directory.get('image', id) ?? newestImage(id, site.directory.list('image'));
  if (isRefusal(image) || !allocation) return image;
  if (!image.features.includes(allocation.role)) {
    return unprocessable(`image "${image.id}" does not support role:${allocation.role}`);
  }
  return checkImageOnSize(site.directory.get('sizeimageconstraint', machine.size), image) ?? image;
};

/** Machines (machines.md §2, §10); power, BMC reports, issues and allocation have files of their own. */
export function addMachineRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'view', operation: 'listMachines' }, ({ site }) =>
    listMachines(site, {}),
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'view',
      operation: 'findMachines',
      audited: false,
      body: machineQuery,
    },
    ({ site, body }) => listMachines(site, body),
  );

  route(
    edge,
    {
      method: 'get',
      path: `${PATH}/consolepassword`,
      role: 'edit',
      operation: 'getMachineConsolePassword',
      audited: true,
      body: passwordBody,
    },
    async ({ site, as, body: { id = '', reason = '' } }) => {
      const least = site.config.passwordReasonMinLength;
      if (Buffer.byteLength(reason) < least) return invalid(`reason must be at least ${least} characters long`);
      const answer = await askMachine(site, id, 'consolePassword', {}, as);
      if (isRefusal(answer)) return answer;
      const { machine, password } = answer;
      return ok({ id, name: machine.name, description: machine.description, console_password: password });
    },
  );

  route(edge, { method: 'get', path: `${PATH}/:id`, role: 'view', operation: 'findMachine' }, async (request) => {
    const { site, as, param } = request;
    return readAnswer(site, await machineOf(site, param('id'), as));
  });

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updateMachine', body: updateBody },
    ({ site, as, body: { id = '', description, tags, ssh_pub_keys: sshPubKeys } }) =>
      askMachine(site, id, 'update', given({ description, tags, sshPubKeys }), as),
    answerDone,
  );

  write(
    edge,
    { method: 'post', path: `${PATH}/:id/state`, role: 'edit', operation: 'setMachineState', body: stateBody },
    ({ site, as, param, body: { value = '', description = '' } }) => {
      if (!isState(value)) {
        return invalid(`machine state:"${value}" is unknown, expected RESERVED, TAINTED, LOCKED or nothing`);
      }
      return askMachine(site, param('id'), 'setState', { value, description }, as);
    },
    answerDone,
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id/free`, role: 'edit', operation: 'freeMachine' },
    ({ site, as, param }) => {
      const machine = param('id');
      return askAllocator(site, machine, 'freeMachine', { machine }, as);
    },
    answerDone,
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deleteMachine' },
    ({ site, as, param }) => {
      const machine = param('id');
      return askAllocator(site, machine, 'deleteMachine', { machine }, as);
    },
    answerDone,
  );

  write(
    edge,
    { method: 'post', path: `${PATH}/:id/reinstall`, role: 'edit', operation: 'reinstallMachine', body: reinstallBody },
    async ({ site, as, param, body: { imageid = '' } }) => {
      const machine = param('id');
      if (imageid === '') return invalid('image id cannot be empty, name the image to install');
      const view = await machineOf(site, machine, as);
      if (isRefusal(view)) return view;
      if (!view.allocation) {
        return invalid(`machine "${machine}" is not allocated, only allocated machines can be reinstalled`);
      }
      const image = imageFor(site, view, imageid);
      if (isRefusal(image)) return image;
      const { size } = view.machine;
      // None matches: the actor says whether the stored layout needs one.
      const layout = selectFilesystemLayout(site.directory.list('filesystemlayout'), size, image);
      const layouts = isRefusal(layout) ? [] : [{ size, layout }];
      return askAllocator(site, machine, 'reinstallMachine', { machine, image: image.id, layouts }, as);
    },
    answerDone,
  );
}
