/** PostgreSQL: its audit lines and its changes, as events. */
export const name = "postgres";
