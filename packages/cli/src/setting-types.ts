/**
 * The types that settings have: how each is read from text, and what JSON Schema says of it in
 * `cairn.yaml`. A value comes as text from flags and the environment; from the file as what YAML
 * makes of it, which is spelled as text first, so that one parser decides.
 */
import { CairnError, parseDecimal } from "@cairnlog/core";
import { parseDuration } from "./time-argument.ts";

export interface SettingType<T> {
  /** Throws "usage" with `name` in the message. */
  parse(text: string, name: string): T;
  /** What stands for it in a help text: `--listen <address>`. */
  readonly placeholder: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

function refuse(name: string, text: string, expected: string): CairnError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new CairnError("usage", `${name}: expected ${expected}, not ${shown}`);
}

export const textType: SettingType<string> = {
  parse(text, name) {
    if (text !== "") return text;
    throw refuse(name, text, "a text that is not empty");
  },
  placeholder: "text",
  schema: { type: "string", minLength: 1 },
};

export const pathType: SettingType<string> = { ...textType, placeholder: "path" };

export const booleanType: SettingType<boolean> = {
  parse(text, name) {
    if (text === "true" || text === "1") return true;
    if (text === "false" || text === "0") return false;
    throw refuse(name, text, "true or false");
  },
  placeholder: "",
  schema: { type: "boolean" },
};

export const durationType: SettingType<number> = {
  parse: parseDuration,
  placeholder: "duration",
  schema: { type: "string", pattern: "^[0-9]{1,9}(ms|s|m|h|d|w)$" },
};

export const countType: SettingType<number> = {
  parse(text, name) {
    try {
      const count = parseDecimal(text, "number");
      if (count > 0) return count;
    } catch {
      // The message below says what is expected.
    }
    throw refuse(name, text, "a whole number above 0");
  },
  placeholder: "number",
  schema: { type: "integer", minimum: 1 },
};

const units = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `65536`, `64KiB`, `16MiB`, `1GiB`. */
export const bytesType: SettingType<number> = {
  parse(text, name) {
    const parts = /^([1-9][0-9]{0,11})(KiB|MiB|GiB)?$/.exec(text);
    if (parts === null) throw refuse(name, text, "a number of bytes as 65536, 64KiB or 16MiB");
    const unit = parts[2] as keyof typeof units | undefined;
    return parseDecimal(parts[1]!, "number") * (unit === undefined ? 1 : units[unit]);
  },
  placeholder: "bytes",
  schema: {
    anyOf: [
      { type: "integer", minimum: 1 },
      { type: "string", pattern: "^[1-9][0-9]{0,11}(KiB|MiB|GiB)?$" },
    ],
  },
};

export const urlType: SettingType<string> = {
  parse(text, name) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
    if (!isHttp || url.username !== "" || url.search !== "" || url.hash !== "") {
      throw refuse(name, text, "an address as https://audit.example.com");
    }
    return url.origin + url.pathname.replace(/\/+$/, "");
  },
  placeholder: "url",
  schema: { type: "string", pattern: "^https?://" },
};

export const bucketType: SettingType<string> = {
  parse(text, name) {
    if (/^s3:\/\/[^/]/.test(text)) return text;
    throw refuse(name, text, "a place in a bucket as s3://bucket/prefix");
  },
  placeholder: "s3://bucket/prefix",
  schema: { type: "string", pattern: "^s3://" },
};

export const addressType: SettingType<Address> = {
  parse(text, name) {
    const parts = /^(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)?:)?([0-9]{1,5})$/.exec(text);
    const [, host = "127.0.0.1", digits = ""] = parts ?? [];
    const isPort = /^(0|[1-9][0-9]{0,4})$/.test(digits) && parseDecimal(digits, "port") <= 65_535;
    if (!isPort) throw refuse(name, text, "host:port as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:80");
    const port = parseDecimal(digits, "port");
    return { host: host.replace(/^\[|\]$/g, ""), port };
  },
  placeholder: "address",
  schema: { anyOf: [{ type: "string" }, { type: "integer", minimum: 0, maximum: 65_535 }] },
};

/** A list: commas in text, a sequence (or one text) in the file. */
export const listType: SettingType<readonly string[]> = {
  parse(text, name) {
    const items = text.split(",").map((item) => item.trim());
    if (items.every((item) => item !== "")) return items;
    throw refuse(name, text, "names with commas between them");
  },
  placeholder: "names",
  schema: {
    anyOf: [
      { type: "string", minLength: 1 },
      { type: "array", minItems: 1, items: { type: "string", minLength: 1, pattern: "^[^,]+$" } },
    ],
  },
};

export function choiceType<const T extends string>(choices: readonly T[]): SettingType<T> {
  return {
    parse(text, name) {
      const choice = choices.find((each) => each === text);
      if (choice !== undefined) return choice;
      throw refuse(name, text, choices.join(", "));
    },
    placeholder: choices.join("|"),
    schema: { enum: choices },
  };
}
