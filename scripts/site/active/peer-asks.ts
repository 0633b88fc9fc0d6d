// What the other sites, and routers, may ask of this one besides directory, claims and blocks.
import { isRefusal } from '../../../actors/refusal.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import { answerQuestion, QUESTIONS } from '../../../http/questions.ts';
import type { Site } from '../../../http/site.ts';
import type { Forwarder } from '../../../router/forward.ts';
import { refuseAsk } from '../../../router/link/failure.ts';
import type { AskHandler } from '../../../router/link/serve.ts';
import { LOCATE_ASK, locateAskSchema } from '../../../router/peers.ts';
import type { Filling } from '../../../router/place-index-filling.ts';
import { READING } from '../lease-guard.ts';

export interface PeerAsksParts {
  filling: Pick<Filling, 'sure'>;
  host: Pick<ShardHost, 'isBehind' | 'isCurrent'>;
  /** These two rest on the federation, which serves the asks: they are there a moment after it. */
  site(): Site;
  forward(): Pick<Forwarder, 'answerLocate'>;
}

/** Handlers by kind of ask. */
export const peerAsks = ({ filling, host, site, forward }: PeerAsksParts): Record<string, AskHandler> => ({
  async [LOCATE_ASK](body) {
    await filling.sure(locateAskSchema.parse(body));
    const place = forward().answerLocate(body);
    if (!place.here && !host.isCurrent) throw refuseAsk('Unavailable', READING);
    return place;
  },
  ...Object.fromEntries(
    QUESTIONS.map((kind): [string, AskHandler] => [
      kind,
      async (body, _peer, asker) => {
        if (host.isBehind) throw refuseAsk('Unavailable', READING);
        return orRefuse(await answerQuestion(site(), kind, body, asker));
      },
    ]),
  ),
});

function orRefuse(answer: unknown): unknown {
  if (isRefusal(answer)) throw refuseAsk(answer.kind, answer.message, answer);
  return answer;
}
