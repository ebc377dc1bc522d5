/** What the wrapper and the program inside the terminal tell each other. */

export type ToTerminal =
  | {
      readonly file: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string | undefined>>;
    }
  | { readonly signal: NodeJS.Signals };

export type FromTerminal =
  | { readonly kind: "failed"; readonly code: string }
  | {
      readonly kind: "ended";
      readonly status: number | null;
      readonly signal: NodeJS.Signals | null;
    };
