/**
 * Builds the reader of OTLP logs, `packages/capture/src/otlp-proto/`, from the published schemas in
 * `packages/capture/proto/`: one file for each schema, a type and a function for each message that is needed. The
 * files are kept with the sources, so that they run unbuilt; the same schemas give the same files. `protoc` reads the
 * schemas (Debian's `protobuf-compiler`).
 *
 *     node scripts/build-otlp.mjs            writes them
 *     node scripts/build-otlp.mjs --check    says whether they are up to date
 *
 * Why not what protoc-gen-es makes: see docs/decisions/0016-otlp-is-read-by-generated-functions.md.
 */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { format } from "prettier";
import { root } from "./ensure-installed.mjs";

/**
 * @typedef {import("@bufbuild/protobuf").DescMessage} DescMessage
 * @typedef {import("@bufbuild/protobuf").DescField} DescField
 * @typedef {import("@bufbuild/protobuf").DescOneof} DescOneof
 * @typedef {{ type: string, zero: string, wire: 0 | 1 | 2 | 5, read: string, write: string }} Scalar
 */

const schemas = join(root, "packages/capture/proto");
const generated = join(root, "packages/capture/src/otlp-proto");

/** What is read, with all that it holds, and what is written. */
const readRoots = ["opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest"];
const writeRoots = [
  "opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse",
  "google.rpc.Status",
];

/**
 * By the number that descriptor.proto gives to a type. What is missing is in none of the messages.
 * @type {Readonly<Record<number, Scalar>>}
 */
const scalars = {
  1: scalar("number", "0", 1, "double"),
  3: scalar("number | string", "0", 0, "integer"),
  5: scalar("number", "0", 0, "int32"),
  6: scalar("number | string", "0", 1, "fixedInteger"),
  7: scalar("number", "0", 5, "fixed32"),
  8: scalar("boolean", "false", 0, "bool"),
  9: scalar("string", '""', 2, "text"),
  12: scalar("Uint8Array", "noBytes", 2, "bytes"),
  13: scalar("number", "0", 0, "uint32"),
};
const enumScalar = scalar("number", "0", 0, "int32");

/**
 * @param {string} type
 * @param {string} zero
 * @param {0 | 1 | 2 | 5} wire
 * @param {string} read
 * @returns {Scalar}
 */
function scalar(type, zero, wire, read) {
  const write = { text: "string", integer: "int64", fixedInteger: "fixed64" }[read] ?? read;
  return { type, zero, wire, read: `reader.${read}()`, write };
}

/** The files by name, as they should be. */
export async function buildOtlp() {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, describe()));
  const read = reachable(registry, readRoots);
  const written = reachable(registry, writeRoots);
  /** @type {Map<string, string>} */
  const files = new Map();
  for (const file of registry.files) {
    const messages = file.messages.filter((each) => read.has(each) || written.has(each));
    if (messages.length === 0) continue;
    const body = messages.flatMap((message) => [
      typeOf(message, read.has(message)),
      ...(read.has(message) ? [readerOf(message)] : []),
      ...(written.has(message) ? [writerOf(message)] : []),
    ]);
    const text = [header(file.name), importsOf(file.name, messages, body.join("\n")), ...body];
    files.set(
      fileNameOf(file.name),
      await format(text.join("\n\n"), { parser: "typescript", printWidth: 100 }),
    );
  }
  return files;
}

function describe() {
  const names = readdirSync(schemas, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".proto"))
    .toSorted();
  const folder = mkdtempSync(join(tmpdir(), "otlp-"));
  try {
    const out = join(folder, "descriptors");
    const args = ["-I", schemas, "--include_imports", `--descriptor_set_out=${out}`, ...names];
    execFileSync("protoc", args);
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param {import("@bufbuild/protobuf").FileRegistry} registry
 * @param {string[]} names
 */
function reachable(registry, names) {
  /** @type {Set<DescMessage>} */
  const found = new Set();
  const visit = (/** @type {DescMessage} */ message) => {
    if (found.has(message)) return;
    found.add(message);
    for (const field of message.fields) if (field.message !== undefined) visit(field.message);
  };
  for (const name of names) {
    const message = registry.getMessage(name);
    if (message === undefined) throw new Error(`the schemas have no message ${name}`);
    visit(message);
  }
  return found;
}

/** @param {string} name */
function fileNameOf(name) {
  const last = /([a-z_]+)$/.exec(name)?.[1] ?? name;
  // What is in there, since "common" is no name of an idea.
  return last === "common" ? "values.ts" : `${last.replaceAll("_", "-")}.ts`;
}

/** @param {string} name */
function header(name) {
  const made = "Made by `node scripts/build-otlp.mjs`; not to be edited.";
  return `/**\n * ${made} The schema:\n * \`proto/${name}.proto\`\n */`;
}

/**
 * @param {string} name
 * @param {DescMessage[]} messages
 * @param {string} body
 */
function importsOf(name, messages, body) {
  const lines = [];
  if (body.includes("BinaryWriter"))
    lines.push('import type { BinaryWriter } from "@bufbuild/protobuf/wire";');
  const fromReader = [
    ...(body.includes("MessageReader") ? ["type MessageReader"] : []),
    ...(body.includes("noBytes") ? ["noBytes"] : []),
  ];
  if (fromReader.length > 0)
    lines.push(`import { ${fromReader.join(", ")} } from "../protobuf-reader.ts";`);
  /** @type {Map<string, Set<string>>} */
  const others = new Map();
  for (const { message } of messages.flatMap(({ fields }) => fields)) {
    if (message === undefined || message.file.name === name) continue;
    const names = others.get(message.file.name) ?? new Set();
    others.set(message.file.name, names.add(`type ${message.name}`));
    for (const prefix of ["read", "write"])
      if (body.includes(`${prefix}${message.name}(`)) names.add(`${prefix}${message.name}`);
  }
  for (const [other, names] of others)
    lines.push(`import { ${[...names].join(", ")} } from "./${fileNameOf(other)}";`);
  return lines.join("\n");
}

/** @param {DescField} field */
function scalarOf(field) {
  if (field.enum !== undefined) return enumScalar;
  const found = field.scalar === undefined ? undefined : scalars[field.scalar];
  if (found === undefined)
    throw new Error(`${field.toString()}: this script does not know its type`);
  return found;
}

/** @param {DescField} field */
function elementType(field) {
  return field.message === undefined ? scalarOf(field).type : field.message.name;
}

/** @param {DescField} field */
function isList(field) {
  if (field.fieldKind === "map")
    throw new Error(`${field.toString()}: this script does not know maps`);
  return field.fieldKind === "list";
}

/**
 * Members of the message: its fields, and one for each `oneof`.
 * @param {DescMessage} message
 */
function membersOf(message) {
  return message.members.filter((member) => member.kind === "oneof" || member.oneof === undefined);
}

/**
 * @param {DescMessage} message
 * @param {boolean} isRead
 */
function typeOf(message, isRead) {
  const lines = membersOf(message).map((member) => {
    if (member.kind === "oneof") {
      const cases = member.fields.map(
        (field) =>
          `| { readonly case: "${field.localName}"; readonly value: ${elementType(field)} }`,
      );
      return `${member.localName}: undefined ${cases.join(" ")};`;
    }
    // 64-bit integers are strings where a number could not hold them.
    if (isList(member)) return `${member.localName}: ${elementType(member)}[];`;
    const orNone = member.message === undefined ? "" : " | undefined";
    return `${member.localName}: ${elementType(member)}${orNone};`;
  });
  if (isRead) {
    lines.push("/** Fields that the schema does not have, as they came. */");
    lines.push("unknown: Uint8Array[] | undefined;");
  }
  return `/** \`${message.typeName}\` */\nexport interface ${message.name} {\n${lines.join("\n")}\n}`;
}

/** @param {DescMessage} message */
function readerOf(message) {
  const { name } = message;
  const zeros = membersOf(message).map((member) => {
    if (member.kind === "oneof") return `${member.localName}: undefined,`;
    if (isList(member)) return `${member.localName}: [],`;
    const zero = member.message === undefined ? scalarOf(member).zero : "undefined";
    return `${member.localName}: ${zero},`;
  });
  return [
    `export function read${name}(`,
    `  reader: MessageReader, end: number, depth: number,`,
    `  message: ${name} = { ${zeros.join(" ")} unknown: undefined },`,
    `): ${name} {`,
    `  while (reader.pos < end) {`,
    `    const from = reader.pos;`,
    `    const tag = reader.messageTag();`,
    `    switch (tag) {`,
    ...message.fields.map(caseOf),
    `      default: message.unknown = reader.unknown(message.unknown, from, tag);`,
    `    }`,
    `  }`,
    `  reader.leave(end);`,
    `  return message;`,
    `}`,
  ].join("\n");
}

/** @param {DescField} field */
function caseOf(field) {
  const member = `message.${field.oneof?.localName ?? field.localName}`;
  if (field.message === undefined) {
    const { wire, read } = scalarOf(field);
    if (isList(field) && wire !== 2)
      throw new Error(`${field.toString()}: this script does not know it packed`);
    const line = isList(field)
      ? `${member}.push(${read});`
      : field.oneof === undefined
        ? `${member} = ${read};`
        : `${member} = { case: "${field.localName}", value: ${read} };`;
    return `case ${field.number * 8 + wire}: ${line} break;`;
  }
  // A message that comes twice is one message, with the fields of both: so the wire format has it.
  const child = (/** @type {string} */ into) =>
    `read${field.message?.name}(reader, reader.enter(end, depth), depth + 1${into})`;
  const line = isList(field)
    ? `${member}.push(${child("")});`
    : field.oneof === undefined
      ? `${member} = ${child(`, ${member}`)};`
      : `${member} = { case: "${field.localName}", value: ${child(
          `, ${member}?.case === "${field.localName}" ? ${member}.value : undefined`,
        )} };`;
  return `case ${field.number * 8 + 2}: ${line} break;`;
}

/** @param {DescMessage} message */
function writerOf(message) {
  if (message.oneofs.length > 0)
    throw new Error(`${message.toString()}: this script writes no oneof`);
  const lines = message.fields.map((field) => {
    const member = `message.${field.localName}`;
    if (field.message !== undefined) {
      const one = (/** @type {string} */ value) =>
        `write${field.message?.name}(writer.uint32(${field.number * 8 + 2}).fork(), ${value}).join();`;
      return isList(field)
        ? `for (const each of ${member}) ${one("each")}`
        : `if (${member} !== undefined) ${one(member)}`;
    }
    if (isList(field))
      throw new Error(`${field.toString()}: this script writes no list of scalars`);
    const { wire, write, zero } = scalarOf(field);
    const isSet = zero === "noBytes" ? `${member}.length > 0` : `${member} !== ${zero}`;
    return `if (${isSet}) writer.uint32(${field.number * 8 + wire}).${write}(${member});`;
  });
  return [
    `export function write${message.name}(`,
    `  writer: BinaryWriter, message: Readonly<${message.name}>,`,
    `): BinaryWriter {`,
    ...lines,
    `  return writer;`,
    `}`,
  ].join("\n");
}

/** The files as they are now. */
function committed() {
  return new Map(
    readdirSync(generated).map((name) => [name, readFileSync(join(generated, name), "utf8")]),
  );
}

/** What differs from the files that are there: their names. */
export async function staleOtlp() {
  const [wanted, found] = [await buildOtlp(), committed()];
  const names = new Set([...wanted.keys(), ...found.keys()]);
  return [...names].filter((name) => wanted.get(name) !== found.get(name));
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--check")) {
    const stale = await staleOtlp();
    if (stale.length > 0) {
      console.error(`not what the schemas give: ${stale.join(", ")} in ${generated}`);
      process.exitCode = 1;
    }
  } else {
    mkdirSync(generated, { recursive: true });
    for (const [name, text] of await buildOtlp()) writeFileSync(join(generated, name), text);
  }
}
