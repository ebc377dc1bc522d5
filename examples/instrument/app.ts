/**
 * An application whose requests and queries are recorded: Express, and PostgreSQL by `pg`. Run it with
 *
 *     CAIRN_URL=http://127.0.0.1:8080 CAIRN_KEY=… PGHOST=127.0.0.1 PGUSER=postgres node app.ts
 *     curl -u alice:wonderland http://127.0.0.1:3000/orders/1
 *
 * and read the log: who, in one trace, what was called, and what was asked of the database.
 */
import { CairnClient } from "cairnlog/client";
import { actorOfBasic, cairnExpress, cairnPg } from "cairnlog/instrument";
import express, { type NextFunction, type Request, type Response } from "express";
import pg from "pg";

const { CAIRN_URL = "http://127.0.0.1:8080", CAIRN_KEY = "", PORT = "3000" } = process.env;
const cairn = new CairnClient({ url: CAIRN_URL, key: CAIRN_KEY });
const pool = cairnPg(cairn, new pg.Pool(), { tie: { variables: true, applicationName: true } });

/** Stands for whatever your application does to know who asks. */
function authenticate(request: Request, response: Response, next: NextFunction): void {
  const credentials = Buffer.from("alice:wonderland").toString("base64");
  if (request.get("authorization") === `Basic ${credentials}`) {
    response.locals["isKnown"] = true;
    return next();
  }
  response.set("www-authenticate", 'Basic realm="orders"').status(401).end();
}

const options = {
  service: "orders",
  actor: (request: Request) =>
    request.res?.locals["isKnown"] === true
      ? actorOfBasic(request.get("authorization"))
      : undefined,
};

const app = express();
app.use(cairnExpress(cairn, options));
app.use(authenticate);

app.get("/orders/:id", async (request, response) => {
  const { rows } = await pool.query("select $1::text as id", [request.params.id]);
  response.json(rows[0]);
});

// Not carried out unless the log holds, durably, that it is about to be.
const recorded = cairnExpress(cairn, { ...options, required: true });
app.post("/orders/:id/cancel", recorded, async (request, response) => {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select $1::text as cancelled", [request.params.id]);
    await client.query("commit");
    response.json({ cancelled: request.params.id });
  } finally {
    client.release();
  }
});

const server = app.listen(PORT, () => {
  const address = server.address();
  process.stdout.write(`listening on ${typeof address === "object" ? address?.port : PORT}\n`);
});

process.once("SIGTERM", () => {
  server.close(() => {
    void Promise.all([pool.end(), cairn.close()]);
  });
});
