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
   * What anybody is told without a token: health checks. By what follows `path`: "/health". Nothing about the server
   * but that it is there.
   */
  readonly open?: Readonly<Record<string, { readonly status: number; readonly body: string }>>;
}

export const fixedPaths: readonly FixedPath[] = [];
