/**
 * What a sender is told that tries again after an answer of 500 and above only, and takes any of 400 to 499 for its own
 * fault: then "too much at once" (429) and "too slow" (408) must not look like one.
 */
import type { Answer, ErrorForSender } from "./adapter.ts";

const messageLengthMax = 4096;

export function answerAgainLater(error: ErrorForSender): Answer {
  const { code, status, message, retryAfterSeconds } = error;
  const isPassing = status === 408 || status === 429;
  return {
    status: isPassing ? 503 : status,
    headers: {
      "content-type": "application/json",
      ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }),
    },
    body: JSON.stringify({ code, message: message.slice(0, messageLengthMax).toWellFormed() }),
  };
}
