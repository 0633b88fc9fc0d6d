/**
 * The way between processes of sites: mutual TLS, one link a pair of processes, HTTP exchanges and system asks on it;
 * and the join of a site that has no certificate yet. Knows nothing of what it carries.
 */
export {
  CLOCK_TOLERANCE_MS,
  certificateFingerprint,
  createAuthority,
  createCertificateRequest,
  issueCertificate,
  peerIdentity,
  renewAtMs,
  signCertificateRequest,
  type Authority,
  type Certificate,
  type CertificateKind,
  type CertificateSubject,
  type PeerIdentity,
} from './certificates.ts';
export { dialPeer, type DialOptions } from './dial.ts';
export type { RequestHead, ResponseHead } from './exchange.ts';
export { isLinkFailure, refuseAsk, type LinkFailure, type LinkFailureKind, type LinkRefusal } from './failure.ts';
export { MAX_FRAME_BYTES, PROTOCOL_VERSION, type HttpHeaders } from './frames.ts';
export { HEARTBEAT_MS, SILENCE_MS, type LinkWorld } from './heartbeat.ts';
export { joinFederation, type JoinOutcome, type JoinWishes } from './join-client.ts';
export { serveJoins, type JoinDecision, type JoinReason, type JoinRequest, type JoinServing } from './join-exchange.ts';
export type { Link, LinkResponse, LinkState, Peer } from './link.ts';
export { JOIN_PATH, listenForPeers, type ListenOptions, type PeerListener } from './listen.ts';
export type { Duplex } from './multiplexer.ts';
export { createPeering, type Arrival, type LinkIdentity, type Peering, type PeeringOptions } from './peering.ts';
export { createSealingKeys, seal, unseal, type Sealed, type SealingKeys } from './sealing.ts';
export type { AskHandler, IncomingRequest, NotifyHandler, RequestHandler } from './serve.ts';
export { LINK_PATH } from './socket.ts';
export type { BodySource } from './streams.ts';
export {
  createToken,
  isTokenRefusal,
  parseToken,
  TOKEN_LIFETIME_MS,
  type JoinToken,
  type TokenClaim,
  type TokenRecord,
  type TokenRefusal,
  type TokenWishes,
} from './token.ts';
