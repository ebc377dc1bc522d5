/** PostgreSQL: its audit lines and its changes, as events. */
export { LogTransactions } from "./log-transactions.ts";
