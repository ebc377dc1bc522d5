/**
 * Where senders deliver: `/v1/logs/{log}/sources/{source}` with all below it, and the addresses that protocols have
 * fixed. What happens there: `source-door.ts`.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Adapter } from "@cairnlog/capture";
import type { Clock } from "@cairnlog/log";
import { Type } from "typebox";
import type { ServerContext } from "../context.ts";
import { answerOf, LogParams, problemResponse } from "../schemas.ts";
import type { FixedPath } from "./fixed-paths.ts";
import type { Place, SourceDoor } from "./source-door.ts";
import type { SourceRegistry } from "./source-ring.ts";

export interface SourceRoutes {
  readonly sources: SourceRegistry;
  /** Default: all there are, loaded when somebody delivers first. */
  readonly adapters?: readonly Adapter[] | undefined;
  readonly fixedPaths: readonly FixedPath[];
  readonly clock: Pick<Clock, "now" | "monotonic">;
}

export const sourcePath = "/v1/logs/:log/sources/:source";
const methods = ["GET", "POST", "PUT", "OPTIONS"] as const;
/** `app` is a context of its own: its body parsers are taken away. */
export function addSourceRoutes(
  app: FastifyInstance,
  context: ServerContext,
  parts: SourceRoutes,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  // What a path means is for the adapter to say, and who may send is asked of each delivery.
  app.setValidatorCompiler(() => () => true);
  let door: Promise<SourceDoor> | undefined;
  const open = async (): Promise<SourceDoor> => {
    const module = await import("./source-door.ts");
    return new module.SourceDoor(context, parts, app.log);
  };
  const add = (method: string, url: string, shown: object, placeOf: PlaceOf): void => {
    app.route({
      method,
      url,
      schema: shown,
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        const opened = await (door ??= open());
        reply.hijack();
        return opened.deliver(request.raw, reply.raw, placeOf(opened, request));
      },
    });
  };
  for (const method of methods) {
    const placeOf: PlaceOf = (opened, request) => opened.placeOfSource(request);
    add(method, sourcePath, method === "POST" ? schema : { hide: true }, placeOf);
    add(method, `${sourcePath}/*`, { hide: true }, placeOf);
  }
  for (const fixed of parts.fixedPaths) {
    for (const method of fixed.methods) {
      const placeOf: PlaceOf = (opened, request) => opened.placeOfKind(request, fixed);
      add(method, fixed.path, { hide: true }, placeOf);
      add(method, `${fixed.path}/*`, { hide: true }, placeOf);
    }
  }
}

type PlaceOf = (door: SourceDoor, request: FastifyRequest) => Place;

const schema = {
  summary: "Deliver to a source",
  description:
    "What another system sends, in its own format: see docs/capture.md. GET, PUT and OPTIONS, and every path below, " +
    "are taken as well: what they mean is for the source's kind to say. The source's own secret proves the sender, no API key. " +
    "Answered, in the sender's protocol, when all events are durable.",
  params: Type.Object({
    ...LogParams.properties,
    source: Type.String({ description: "The source's name: `cairn sources list`." }),
  }),
  security: [],
  response: {
    200: answerOf("All of it is recorded, now or before", "application/json"),
    default: problemResponse,
  },
};
