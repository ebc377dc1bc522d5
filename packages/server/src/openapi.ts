/** How `/openapi.json` is made from the schemas of the routes. */
import type { SwaggerOptions } from "@fastify/swagger";

export const openapiOptions: SwaggerOptions = {
  openapi: {
    openapi: "3.1.0",
    info: {
      title: "Cairn",
      version: "1",
      description: "An immutable audit log: every acknowledgement is a proof.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    components: {
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "An API key: cairn_<id>_<secret>" },
      },
    },
    security: [{ key: [] }],
  },
  refResolver: {
    // Components bear the names that the schemas have here.
    buildLocalReference: (json, _base, _fragment, i) =>
      typeof json["$id"] === "string" ? json["$id"] : `schema${i}`,
  },
  // A wildcard has no name in a path template.
  transform: ({ schema, url }) => ({
    schema: named(schema as RouteSchema | undefined),
    url: url.replace("*", ":tile"),
  }),
};

interface RouteSchema {
  readonly params?: { readonly properties: Record<string, unknown>; readonly required: string[] };
}

function named(schema: RouteSchema | undefined): RouteSchema {
  if (schema?.params === undefined) return schema ?? {};
  const nameOf = (name: string): string => (name === "*" ? "tile" : name);
  const { properties, required } = schema.params;
  const renamed = Object.entries(properties).map(([name, each]) => [nameOf(name), each] as const);
  return {
    ...schema,
    params: {
      ...schema.params,
      properties: Object.fromEntries(renamed),
      required: required.map(nameOf),
    },
  };
}
