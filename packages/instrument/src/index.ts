/** Middleware and database hooks: an app's requests and queries, as events. */
export const name = "instrument";
