/**
 * Nordvale Parcels, a company that does not exist: its services, databases, environments and addresses. All addresses
 * are from the ranges for documentation (RFC 5737, RFC 3849), all names end in `.example` (RFC 2606).
 */

export const domain = "nordvale.example";
export const environments = ["dev", "staging", "prod"] as const;

/** A route of a service, and what it asks of the database: `rows` is what a call typically touches. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly statements: readonly Statement[];
  /** Only staff calls it. */
  readonly isInternal?: true;
}

export interface Statement {
  readonly command: "SELECT" | "INSERT" | "UPDATE" | "DELETE";
  /** Empty where it reads none. */
  readonly table: string;
  readonly sql: string;
  readonly rows: number;
}

export interface Service {
  readonly name: string;
  readonly team: string;
  readonly database: string | undefined;
  /** The role that it has in its database. */
  readonly role: string;
  readonly routes: readonly Route[];
}

const select = (table: string, sql: string, rows = 1): Statement => ({
  command: "SELECT",
  table: `public.${table}`,
  sql: `SELECT ${sql}`,
  rows,
});
const insert = (table: string, columns: string): Statement => ({
  command: "INSERT",
  table: `public.${table}`,
  rows: 1,
  sql: `INSERT INTO ${table} (${columns}) VALUES (${columns
    .split(", ")
    .map((_, i) => `$${i + 1}`)
    .join(", ")}) RETURNING id`,
});
const update = (table: string, sql: string): Statement => ({
  command: "UPDATE",
  table: `public.${table}`,
  sql: `UPDATE ${table} SET ${sql}`,
  rows: 1,
});

const customer = select("customers", "id, name, email, locale FROM customers WHERE id = $1");
const order = select("orders", "id, customer_id, state, total_cents FROM orders WHERE id = $1");
const lines = select(
  "order_lines",
  "sku, quantity, price_cents FROM order_lines WHERE order_id = $1",
  4,
);
const parcel = select("parcels", "id, state, depot, eta FROM parcels WHERE tracking_code = $1");

export const services: readonly Service[] = [
  service("orders", "backend", "orders-prod", [
    get("/v1/orders/{id}", order, lines),
    get(
      "/v1/orders",
      select(
        "orders",
        "id, state, created_at FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 50",
        12,
      ),
    ),
    post(
      "/v1/orders",
      customer,
      insert("orders", "customer_id, state, total_cents"),
      insert("order_lines", "order_id, sku, quantity, price_cents"),
    ),
    {
      method: "DELETE",
      path: "/v1/orders/{id}",
      statements: [
        order,
        update("orders", "state = 'cancelled', cancelled_at = now() WHERE id = $1"),
      ],
    },
  ]),
  service("customers", "backend", "customers-prod", [
    get("/v1/customers/me", customer),
    {
      method: "PATCH",
      path: "/v1/customers/me",
      statements: [customer, update("customers", "phone = $2, updated_at = now() WHERE id = $1")],
    },
    get(
      "/v1/customers/me/addresses",
      select(
        "addresses",
        "id, street, postcode, city, country FROM addresses WHERE customer_id = $1",
        2,
      ),
    ),
    internal(
      "/internal/customers/search",
      select("customers", "id, name, email FROM customers WHERE email ILIKE $1 LIMIT 20", 6),
    ),
    internal(
      "/internal/customers/{id}",
      customer,
      select("addresses", "street, postcode, city FROM addresses WHERE customer_id = $1", 2),
    ),
  ]),
  service("payments", "backend", "billing-prod", [
    post(
      "/v1/payments",
      insert("payments", "order_id, amount_cents, method, provider_ref"),
      update("invoices", "paid_at = now() WHERE order_id = $1"),
    ),
    get(
      "/v1/payments/{id}",
      select("payments", "id, state, amount_cents FROM payments WHERE id = $1"),
    ),
  ]),
  service("billing", "finance", "billing-prod", [
    get(
      "/v1/invoices/{id}",
      select("invoices", "id, number, total_cents, due_on FROM invoices WHERE id = $1"),
    ),
    internal(
      "/internal/invoices",
      select(
        "invoices",
        "id, number, total_cents FROM invoices WHERE due_on < $1 AND paid_at IS NULL",
        40,
      ),
    ),
    internal(
      "/internal/refunds/{id}",
      select("refunds", "id, payment_id, amount_cents FROM refunds WHERE id = $1"),
    ),
  ]),
  service("shipments", "backend", "shipments-prod", [
    post("/v1/shipments", insert("parcels", "order_id, depot, weight_g, tracking_code")),
    get("/v1/shipments/{id}", parcel),
    internal(
      "/internal/depots/{id}/queue",
      select(
        "parcels",
        "id, tracking_code, weight_g FROM parcels WHERE depot = $1 AND state = 'waiting'",
        80,
      ),
    ),
  ]),
  service("tracking", "backend", "shipments-prod", [
    get("/v1/track/{code}", parcel),
    get(
      "/v1/track/{code}/scans",
      select("scans", "at, depot, kind FROM scans WHERE parcel_id = $1 ORDER BY at", 7),
    ),
    post("/v1/scans", insert("scans", "parcel_id, depot, kind, scanner")),
  ]),
  service("pricing", "backend", "orders-prod", [
    post(
      "/v1/quotes",
      select("tariffs", "zone, weight_max_g, price_cents FROM tariffs WHERE valid @> now()", 24),
    ),
    get("/v1/zones", select("zones", "id, name, country FROM zones", 18)),
  ]),
  service("notifications", "frontend", undefined, [
    get("/v1/notifications"),
    post("/v1/notifications/read"),
  ]),
  service("search", "frontend", undefined, [get("/v1/search")]),
  service("identity-bridge", "platform", undefined, [
    get("/oauth2/userinfo"),
    post("/oauth2/token"),
  ]),
  service("reports", "data", "billing-prod", [
    internal(
      "/internal/reports/revenue",
      select(
        "invoices",
        "date_trunc('day', issued_at), sum(total_cents) FROM invoices WHERE issued_at >= $1 GROUP BY 1",
        31,
      ),
    ),
    internal(
      "/internal/reports/aging",
      select(
        "invoices",
        "width_bucket(now()::date - due_on, 0, 120, 8), sum(total_cents) FROM invoices WHERE paid_at IS NULL GROUP BY 1",
        8,
      ),
    ),
  ]),
  service("admin", "support", "customers-prod", [
    internal(
      "/internal/tickets",
      select(
        "tickets",
        "id, subject, state FROM tickets WHERE assignee = $1 AND state <> 'closed'",
        15,
      ),
    ),
    internal(
      "/internal/tickets/{id}",
      select("tickets", "id, subject, body, customer_id FROM tickets WHERE id = $1"),
      customer,
    ),
    {
      method: "POST",
      path: "/internal/tickets/{id}/reply",
      statements: [
        insert("ticket_replies", "ticket_id, author, body"),
        update("tickets", "state = $2 WHERE id = $1"),
      ],
      isInternal: true,
    },
  ]),
];

function service(
  name: string,
  team: string,
  database: string | undefined,
  routes: readonly Route[],
): Service {
  return { name, team, database, role: `${name.replaceAll("-", "_")}_api`, routes };
}

function get(path: string, ...statements: Statement[]): Route {
  return { method: "GET", path, statements };
}

function post(path: string, ...statements: Statement[]): Route {
  return { method: "POST", path, statements };
}

function internal(path: string, ...statements: Statement[]): Route {
  return { method: "GET", path, statements, isInternal: true };
}

export function serviceNamed(name: string): Service {
  return services.find((service) => service.name === name)!;
}

/** The databases' servers, each of which numbers what it records. */
export const databases = [
  "orders-prod",
  "customers-prod",
  "billing-prod",
  "shipments-prod",
] as const;
/** The gateway's nodes, likewise. */
export const gatewayNodes = ["gw-1", "gw-2", "gw-3"] as const;

/** A pod of a service, by its number. */
export function podIp(service: Service, pod: number): string {
  return `2001:db8:10:${(services.indexOf(service) + 1).toString(16)}::${(pod + 16).toString(16)}`;
}

/** The machine that runs pipelines, by its number. */
export function runnerIp(runner: number): string {
  return `2001:db8:20::${(runner + 1).toString(16)}`;
}
