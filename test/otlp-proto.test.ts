/**
 * Goal: the reader of OTLP is what the published schemas give, and none of it was edited by hand.
 * Method: make it again from the schemas and compare. Needs `protoc`, which reads them.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { staleOtlp } from "../scripts/build-otlp.mjs";
import { missingTool } from "./installed-tool.ts";

const skip = missingTool("protoc", ["--version"], "required");

describe("the reader of OTLP", { skip }, () => {
  it("is what its schemas give (node scripts/build-otlp.mjs writes it)", async () => {
    assert.deepEqual(await staleOtlp(), []);
  });
});
