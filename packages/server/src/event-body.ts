/**
 * Receives a request's body, within the limits, and reads events out of it. Resolves only when the
 * whole body has arrived and decompressed without error, so that nothing of a broken one is ever
 * recorded.
 */
import type { IncomingMessage } from "node:http";
import type { Transform } from "node:stream";
import { constants, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { CairnError } from "@cairnlog/core";
import type { BodyHold } from "./body-budget.ts";
import { readBodyFormat, type BodyEncoding, type BodyFormat } from "./body-format.ts";
import { openEventSink, type BodySink, type ReceivedEvents } from "./event-sink.ts";
import type { Limits } from "./limits.ts";

// 2^23 bytes: what every zstd decoder must be able to do (RFC 8878 section 3.1.1.1.2), and nobody
// need do more.
const zstdWindowLogMax = 23;
const chunkSize = 64 * 1024;

/**
 * `hold` is charged with what is kept; the caller releases it when the events have been dealt with.
 */
export function receiveEvents(
  request: IncomingMessage,
  limits: Limits,
  hold: BodyHold,
): Promise<ReceivedEvents> {
  const format = readBodyFormat(request.headers);
  return receiveBody(request, format, limits, openEventSink(format, limits, hold));
}

/** Resolves with what `sink` makes of the body. Rejects with what it throws, "too_large", "malformed" or "timeout". */
export function receiveBody<T>(
  request: IncomingMessage,
  { declaredBytes, encoding }: Pick<BodyFormat, "declaredBytes" | "encoding">,
  limits: Limits,
  sink: BodySink<T>,
): Promise<T> {
  if ((declaredBytes ?? 0) > limits.wireBytesMax) throw wireTooLarge(limits);
  return encoding === "identity"
    ? receivePlain(request, limits, sink)
    : receiveCompressed(request, encoding, limits, sink);
}

function receivePlain<T>(request: IncomingMessage, limits: Limits, sink: BodySink<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let wireBytes = 0;
    const onData = (chunk: Buffer): void => {
      try {
        wireBytes += chunk.length;
        if (wireBytes > limits.wireBytesMax) throw wireTooLarge(limits);
        sink.write(chunk);
      } catch (error) {
        // The rest flows on without being looked at.
        request.off("data", onData).off("end", onEnd).resume();
        reject(error);
      }
    };
    const onEnd = (): void => {
      try {
        resolve(sink.finish());
      } catch (error) {
        reject(error);
      }
    };
    request
      .on("data", onData)
      .on("end", onEnd)
      .on("error", () => reject(brokenOff()));
  });
}

function receiveCompressed<T>(
  request: IncomingMessage,
  encoding: Exclude<BodyEncoding, "identity">,
  limits: Limits,
  sink: BodySink<T>,
): Promise<T> {
  const decoder = openDecoder(encoding);
  return new Promise((resolve, reject) => {
    let wireBytes = 0;
    let bodyBytes = 0;
    const fail = (error: unknown): void => {
      request.unpipe(decoder).off("data", onWire).resume();
      decoder.destroy();
      reject(error);
    };
    const orFail = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        fail(error);
      }
    };
    const onWire = (chunk: Buffer): void => {
      wireBytes += chunk.length;
      if (wireBytes > limits.wireBytesMax) fail(wireTooLarge(limits));
    };
    decoder.on("data", (chunk: Buffer) =>
      orFail(() => {
        bodyBytes += chunk.length;
        checkExpansion(decoder.bytesWritten, bodyBytes, limits);
        sink.write(chunk);
      }),
    );
    decoder.on("end", () => orFail(() => resolve(sink.finish())));
    decoder.on("error", (error) => fail(undecodable(encoding, error)));
    request.on("data", onWire).on("error", () => fail(brokenOff()));
    request.pipe(decoder);
  });
}

/**
 * One gzip member, one zlib stream or one zstd frame: what follows it would be passed over silently, so it is
 * refused.
 */
function openDecoder(
  encoding: Exclude<BodyEncoding, "identity">,
): Transform & { readonly bytesWritten: number } {
  const options = { chunkSize, rejectGarbageAfterEnd: true };
  if (encoding === "gzip") return createGunzip(options);
  if (encoding === "deflate") return createInflate(options);
  const params = { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax };
  return createZstdDecompress({ ...options, params });
}

function checkExpansion(wireBytes: number, bodyBytes: number, limits: Limits): void {
  if (bodyBytes > limits.bodyBytesMax) {
    throw tooLarge(`a body has at most ${limits.bodyBytesMax} bytes after decompression`);
  }
  if (bodyBytes > limits.expansionFreeBytes && bodyBytes > wireBytes * limits.expansionMax) {
    throw tooLarge(`a body may decompress to at most ${limits.expansionMax} times its size`);
  }
}

function undecodable(encoding: string, error: Error): CairnError {
  const code = "code" in error ? error.code : undefined;
  if (code === "ZSTD_error_frameParameter_windowTooLarge") {
    return tooLarge(`a zstd window has at most 2^${zstdWindowLogMax} bytes`);
  }
  const message = `the body is not one whole ${encoding} stream: ${error.message}`;
  return new CairnError("malformed", message, { cause: error });
}

function wireTooLarge(limits: Limits): CairnError {
  return tooLarge(`a body has at most ${limits.wireBytesMax} bytes`);
}

function tooLarge(message: string): CairnError {
  return new CairnError("too_large", message);
}

function brokenOff(): CairnError {
  return new CairnError("timeout", "the request broke off before its body had arrived");
}
