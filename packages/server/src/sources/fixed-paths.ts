/**
 * Addresses that a protocol has fixed: senders that can be told a host and a token, and no path. There the token finds
 * the source, among those of the kind.
 */
export interface FixedPath {
  /** It and all below it: `/services/collector`. */
  readonly path: string;
  /** Of the adapter. */
  readonly kind: string;
  readonly methods: readonly ("GET" | "POST" | "PUT" | "OPTIONS")[];
  /**
   * What anybody is told without a token: health checks. By what follows `path`: "/health", or by a method whatever the
   * path: "OPTIONS". Nothing about the server but that it is there.
   */
  readonly open?: Readonly<Record<string, { readonly status: number; readonly body: string }>>;
}

const hecIsHealthy = { status: 200, body: '{"text":"HEC is healthy","code":17}' };

export const fixedPaths: readonly FixedPath[] = [
  {
    path: "/services/collector",
    kind: "splunk-hec",
    methods: ["GET", "POST", "OPTIONS"],
    // Docker's driver asks with OPTIONS, and without its token, before it starts a container.
    open: { "/health": hecIsHealthy, "/health/1.0": hecIsHealthy, OPTIONS: hecIsHealthy },
  },
];
