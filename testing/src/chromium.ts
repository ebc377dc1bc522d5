/**
 * A real browser for tests: Debian's Chromium, headless, spoken to over its DevTools protocol. `.ci/run` installs it.
 * It has no network, and what it asks for is remembered.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram, missingProgram } from "./programs.ts";

const paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const patienceMs = 30_000;

/** As `missingProgram` says it. */
export function missingChromium(): string | false {
  const what = "Chromium is not installed (apt-get install chromium)";
  return missingProgram(findProgram(paths), what, "tests in a real browser");
}

export interface BrowserPage {
  /** The value of an expression in the page; promises are waited for. */
  evaluate(expression: string): Promise<unknown>;
  /** Resolves once the expression is true. */
  until(expression: string): Promise<void>;
  resize(width: number, height: number): Promise<void>;
  /** PNG of the whole page. */
  screenshot(): Promise<Uint8Array>;
  /** What was asked for besides the page itself. */
  readonly requests: readonly string[];
  /** What the browser or the page complained about, broken policies of contents among it. */
  readonly complaints: readonly string[];
}

export interface Browser {
  /** Where files land that a page hands out. */
  readonly downloads: string;
  open(url: string): Promise<BrowserPage>;
  close(): Promise<void>;
}

export async function startChromium(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), "cairn-chromium-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  const quiet = ["--no-first-run", "--disable-background-networking", "--disable-sync"];
  const place = ["--remote-debugging-port=0", `--user-data-dir=${folder}`, "about:blank"];
  const child = spawn(findProgram(paths)!, [...flags, ...quiet, ...place], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const connection = await Connection.open(await addressOf(child));
    const downloads = join(folder, "downloads");
    const behaviour = { behavior: "allow", downloadPath: downloads };
    await connection.send("Browser.setDownloadBehavior", behaviour);
    return { downloads, open: (url) => openPage(connection, url), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where it listens, as it says on standard error. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => reject(new Error(`no browser: ${said}`)), patienceMs);
    child.stderr!.on("data", (piece: Buffer) => {
      said += piece.toString();
      const address = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
    child.once("exit", () => reject(new Error(`the browser ended: ${said}`)));
  });
}

type Members = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Members;
  readonly result?: Members;
  readonly error?: { readonly message: string };
}

class Connection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Map<string, (method: string, params: Members) => void>();
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
      else this.#listeners.get(message.sessionId ?? "")?.(message.method!, message.params ?? {});
    });
  }

  static open(address: string): Promise<Connection> {
    const socket = new WebSocket(address);
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve(new Connection(socket)));
      socket.addEventListener("error", () => reject(new Error(`no connection to ${address}`)));
    });
  }

  listen(session: string, listener: (method: string, params: Members) => void): void {
    this.#listeners.set(session, listener);
  }

  async send(method: string, params: Members = {}, sessionId?: string): Promise<Members> {
    const id = ++this.#id;
    const { promise, resolve } = Promise.withResolvers<Message>();
    this.#waiting.set(id, resolve);
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }));
    const { result, error } = await promise;
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }
}

async function openPage(connection: Connection, url: string): Promise<BrowserPage> {
  const { targetId } = await connection.send("Target.createTarget", { url: "about:blank" });
  const attached = await connection.send("Target.attachToTarget", { targetId, flatten: true });
  const session = String(attached["sessionId"]);
  const send = (method: string, params: Members = {}): Promise<Members> =>
    connection.send(method, params, session);
  const requests: string[] = [];
  const complaints: string[] = [];
  connection.listen(session, (method, params) => {
    if (method === "Network.requestWillBeSent") {
      const { url: asked } = params["request"] as { readonly url: string };
      if (asked !== url) requests.push(asked);
    }
    const told = ["Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"];
    if (told.includes(method)) complaints.push(JSON.stringify(params));
  });
  for (const domain of ["Page", "Network", "Log", "Runtime"]) await send(`${domain}.enable`);
  const offline = { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 };
  await send("Network.emulateNetworkConditions", offline);
  await send("Page.navigate", { url });
  const evaluate = async (expression: string): Promise<unknown> => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await send("Runtime.evaluate", options);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as Members)["value"];
  };
  return {
    requests,
    complaints,
    evaluate,
    async until(expression) {
      const end = performance.now() + patienceMs;
      while ((await evaluate(expression)) !== true) {
        if (performance.now() > end) throw new Error(`never came true: ${expression}`);
        await sleep(20);
      }
    },
    async resize(width, height) {
      const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
      await send("Emulation.setDeviceMetricsOverride", metrics);
    },
    async screenshot() {
      const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
      return Buffer.from(String(data), "base64");
    },
  };
}
